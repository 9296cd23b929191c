"""Battery codes: GB/T 34014-2017, its echelon-use forms, ISO/IEC 15459; labels; what scanners send.

code = parse("001PB005000001D7B0500007")     # InputError names the position and the likely repair
code.type, code.made, to_dict(code)["chemistry"]
"""

from packbench.trace.codes.code import Code
from packbench.trace.codes.iso15459 import UniqueId
from packbench.trace.codes.parsing import echelon_of, explain, make, parse, parse_battery, to_dict

__all__ = ["Code", "UniqueId", "echelon_of", "explain", "make", "parse", "parse_battery", "to_dict"]
