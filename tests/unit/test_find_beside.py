"""The files that a profile may name: beside it, below it, or of the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from packbench.app.job import find_beside
from packbench.core.errors import InputError


def test_a_file_beside_or_below_the_profile_is_found_with_or_without_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "charge.yaml").write_text("profile: charge\n", "utf-8")
    (tmp_path / "drive.csv").write_text("time_s,power_w\n", "utf-8")
    main = str(tmp_path / "main.yaml")
    assert find_beside("parts/charge", main).text == "profile: charge\n"
    assert find_beside("parts/charge.yaml", main) == find_beside("parts/charge", main)
    assert find_beside("drive.csv", main).text == "time_s,power_w\n"
    assert "cccv_charge" in find_beside("full-charge", main).text, "of the library"


@pytest.mark.parametrize("name", ["/etc/hostname", "../../secret.yaml", "parts/../../secret.yaml"])
def test_a_file_that_lies_elsewhere_is_not_opened(name: str, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.yaml").write_text("profile: secret\n", "utf-8")
    with pytest.raises(InputError, match="lies elsewhere"):
        find_beside(name, str(tmp_path / "folder" / "main.yaml"))
