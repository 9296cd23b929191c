"""Devices as typed protocols: cycler, BMS and board, whatever the vendor.

Owns the translation between a protocol's calls and one exchange on a link, and device behaviour such as unlock
sequences. Must not retry, wait for policy or read a clock. It exists so that a profile never knows a vendor.
"""
