"""Are holes known in what we stand on?    python .ci/audit.py

Asks pip-audit of every installed package. Status 1 where a hole is known. Where the database can't be
reached, or knows none of the packages (a mirror that has no advisories), that is said and the status is 0:
no answer is not a clean one, but it is no reason to stop either.
"""

import json
import subprocess
import sys

TIMEOUT_S = 300


def verdict(said: str) -> tuple[int, list[str]]:
    """Status and lines, from what pip-audit printed as JSON (nothing, where it gave up)."""
    try:
        packages = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, ["audit: the database of vulnerabilities can't be reached from here; nothing was audited."]
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        return 0, [
            f"audit: nothing is known of any of {len(packages)} packages: what answered has no database of "
            "vulnerabilities; nothing was audited."
        ]
    holes = [
        f"audit: {package['name']} {package['version']} has {hole['id']}; "
        f"mended in {', '.join(hole['fix_versions']) or 'no version yet'}."
        for package in audited
        for hole in package["vulns"]
    ]
    skipped = len(packages) - len(audited)
    return int(bool(holes)), [
        *holes,
        f"audit: {len(audited)} packages audited, {len(holes)} holes known"
        + (f"; of {skipped} nothing is known." if skipped else "."),
    ]


def main() -> int:
    """Run the audit and print its verdict."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "10"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S).stdout
    except subprocess.TimeoutExpired:
        said = ""
    status, lines = verdict(said)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
