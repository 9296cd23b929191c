"""How long a check takes, static part and worst case apart: every profile of the library, and one of 1,000 steps.

Run it with `make bench`. Prints CPU time; the target is less than 2 s for the longest. Not a test.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from packbench.app.job import find_beside, read_source
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.core.specs import BenchSpec, PackSpec
from packbench.files import list_configs
from packbench.profile.checking import check
from packbench.profile.checking.estimate import Estimate, estimate_plan, forget
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Plan

TARGET_S = 2.0
BLOCK = """\
  - cccv_charge:
      label: charge-{i}
      current: 1 I3
      voltage: pack_full
      end_current: 0.05 I1
      on_cell_limit: {{at: cell_full, action: taper, end_current: 0.05 I1}}
  - rest: {{label: rest-{i}, for: 30 min, until: {{when: temperature_max <= 28 degC, for: 1 min}}}}
  - cc_discharge:
      label: discharge-{i}
      current: 1 I3
      until: [cell_min <= cell_cutoff, voltage <= pack_cutoff, {{when: step_ah >= 0.9 * ah(charge-{i}), for: 1 s}}]
  - pulse:
      label: pulse-{i}
      train: [{{discharge: 0.3C, for: 10 s}}, {{rest: 40 s}}, {{charge: 0.2C, for: 10 s}}]
      repeat: 3
"""
LONG = "profile: long\ntitle: {en: Long, zh: Long}\nsteps:\n" + "".join(BLOCK.format(i=i) for i in range(250))


def best_s(task: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU time of a few tries."""
    times: list[float] = []
    for _ in range(repeats):
        began = process_time()
        task()
        times.append(process_time() - began)
    return min(times)


def measured(plan: Plan, pack: PackSpec, bench: BenchSpec) -> tuple[float, float]:
    """(all of a check, the worst case alone) in s."""

    def checked() -> check.Report:
        forget()
        return check.check_plan(plan, pack, bench)

    def worst() -> Estimate:
        forget()
        return estimate_plan(plan, pack, bench)

    return best_s(checked), best_s(worst)


def library() -> list[tuple[float, float, str]]:
    """Every profile on every pack that it may run on, the slowest last."""
    found: list[tuple[float, float, str]] = []
    for name in list_configs("packs"):
        source = read_source("packs", name)
        pack = load_pack(source.text, source.name)
        bench_source = read_source("benches", pack.default_bench or "sim-hv")
        bench = load_bench(bench_source.text, bench_source.name)
        for profile in list_configs("profiles"):
            text = read_source("profiles", profile)
            try:
                plan = compile_profile(text.text, text.name, pack, find_beside)
            except InputError:
                continue  # a profile that is not for this pack
            found.append((*measured(plan, pack, bench), f"{profile} on {name}"))
    return sorted(found)


def main() -> None:
    """Measure and print."""
    times = library()
    whole, worst, name = times[-1]
    print(f"check, the slowest of {len(times)} of the library ({name}): {whole:.2f} s, worst case {worst:.2f} s of it")
    source, bench_source = read_source("packs", "nmc-96s"), read_source("benches", "sim-hv")
    pack, bench = load_pack(source.text, source.name), load_bench(bench_source.text, bench_source.name)
    plan = compile_profile(LONG, "long.yaml", pack)
    whole, worst = measured(plan, pack, bench)
    print(
        f"check, {len(plan.steps) - 1:,} steps: {whole:.2f} s, worst case {worst:.2f} s of it (target: {TARGET_S:g} s)"
    )


if __name__ == "__main__":
    main()
