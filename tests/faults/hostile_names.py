"""Names that would lead out of a folder, or into an interpreter, where a careless program puts them together.

None of them is a version of a model. The same list is for whatever takes a name from outside.
"""

VERSION = "0123456789ab"
"""What a version looks like."""


def _up() -> list[str]:
    targets = ["outside", "outside/canary.txt", "etc/passwd", f"models/{VERSION}", "live.json"]
    ways = [
        "../",
        "../../",
        "../" * 5,
        "../" * 40,
        "./../",
        "models/../../",
        "..//",
        "....//",
        "..././",
        ".../",
        "/../",
    ]
    return [way + target for way in ways for target in targets] + ["..", ".", "../", "./", "...", "/..", "/."]


def _encoded() -> list[str]:
    dots = [
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%252e%252e",
        "%25252e%25252e",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%u002e%u002e",
        "&#46;&#46;",
        r"\u002e\u002e",
        r"\x2e\x2e",
        "0x2e0x2e",
    ]
    slashes = ["/", "%2f", "%2F", "%252f", "%c0%af", "%5c", "%u2215", "&#47;"]
    return [f"{dot}{slash}outside" for dot in dots for slash in slashes]


def _unicode() -> list[str]:
    dots = [
        "\uff0e\uff0e",
        "\u2024\u2024",
        "\u2025",
        "\ufe52\ufe52",
        "\u3002\u3002",
        ".\u200b.",
        "\u202e..",
        "\ufeff..",
    ]
    slashes = ["\u2215", "\u2044", "\uff0f", "\u29f8", "\u2571", "/"]
    names = [f"{dot}{slash}outside" for dot in dots for slash in slashes]
    # Digits and letters that only look like ours, and what case folding makes of others.
    digits = [
        "".join(chr(base + n % 10) for n in range(12)) for base in (0x660, 0x966, 0xFF10, 0x1D7CE, 0x2070)
    ]
    return [
        *names,
        *digits,
        VERSION.upper(),
        "\u0430bcdef012345",
        "e\u0301" * 6,
        "\ud800" * 12,
        "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗ab",
    ]


def _nul_and_lines() -> list[str]:
    ends = [
        "\0",
        "\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "\x0b",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\u2028",
        "\u00a0",
        "\0.json",
    ]
    ends += [
        "\r\nSet-Cookie: x=1",
        '\n{"event": "promoted"}',
        "%00",
        "%0a",
        "%0d%0aX: y",
        "%20",
        "/",
        "//",
        "/.",
        "/..",
        "\\",
        ".",
        ":",
        "~",
    ]
    return (
        [f"{VERSION}{end}" for end in ends] + [f"{start}{VERSION}" for start in ends] + ["", " ", "\0", "\n"]
    )


def _absolute() -> list[str]:
    windows = [
        "C:\\Windows\\win.ini",
        "C:",
        "c:/windows",
        "C:outside",
        "\\\\server\\share",
        "//server/share",
        "\\\\?\\C:\\",
        "\\\\.\\PhysicalDrive0",
        "..\\..\\outside",
        "..\\",
        "\\..\\outside",
        f"{VERSION}::$DATA",
        f"{VERSION}:stream",
    ]
    devices = ["CON", "NUL", "PRN", "AUX", "COM1", "LPT1", "con.txt", "nul.", "CLOCK$", "CONIN$"]
    unix = [
        "/",
        "//",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "/dev/fd/0",
        "/tmp",
        "~",
        "~root",
        "~/outside",
        "$HOME",
        "${HOME}/outside",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "data:,x",
        "-",
        "--",
        "-rf",
        "--help",
        "--registry=/",
    ]
    ours = [
        "live.json",
        "history.jsonl",
        ".lock",
        "models",
        "models/",
        ".",
        f".{VERSION}.x.partial",
        f"models/{VERSION}",
        f"{VERSION}/manifest.json",
        f"{VERSION}/../{VERSION}",
        "manifest.json",
    ]
    return windows + devices + unix + ours


def _languages() -> list[str]:
    sql = [
        "' OR '1'='1",
        "'; DROP TABLE models; --",
        "1; SELECT pg_sleep(9)",
        '" OR ""="',
        "1 UNION SELECT 1",
        "'; VACUUM; --",
        "admin'--",
        "x') OR ('x'='x",
    ]
    shell = [
        "; touch outside/owned",
        "$(touch outside/owned)",
        "`touch outside/owned`",
        "| touch outside/owned",
        "&& touch outside/owned",
        "|| true",
        "> outside/owned",
        "< /etc/passwd",
        "*",
        "?" * 12,
        "[0-9a-f]" * 12,
        "{a,b}",
        "!!",
        "a b",
        "'",
        '"',
        "$IFS",
        "%PATH%",
        "%n%n%n%s",
    ]
    template = [
        "{{7*7}}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "{% include '/etc/passwd' %}",
        "{0.__class__}",
        "%(x)s",
        "{{''.__class__.__mro__}}",
        "${jndi:ldap://127.0.0.1/x}",
        "__import__('os').system('touch outside/owned')",
        "__class__",
        "[red]x[/red]",
        "[link=file:///etc]x[/link]",
        "<script>alert(1)</script>",
        '<!--#exec cmd="ls"-->',
        "=cmd|'/c calc'!A1",
        "@SUM(1)",
        "!!python/object/apply:os.system ['ls']",
        "(cn=*)",
        "$where: 1",
        "../../outside\0.json",
    ]
    return sql + shell + template


def _long_and_odd() -> list[str]:
    long = ["a" * n for n in (11, 13, 255, 256, 4096, 70_000, 1_000_000)] + [
        "a/" * 3000,
        "../" * 30_000,
        VERSION * 100,
    ]
    odd = [
        "0x0123456789",
        "1e10",
        "-1",
        "0",
        "00000000000g",
        "NaN",
        "None",
        "null",
        "true",
        "undefined",
        "[]",
        "{}",
        "🎬" * 12,
    ]
    return long + odd


NAMES: list[str] = list(
    dict.fromkeys(
        [*_up(), *_encoded(), *_unicode(), *_nul_and_lines(), *_absolute(), *_languages(), *_long_and_odd()]
    )
)
"""Each of them once."""
