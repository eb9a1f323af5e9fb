"""What visitors come with: browsers of people in Brazil, and bots."""

from dataclasses import dataclass
from random import Random

from echolead.demo.traffic.chance import Weighted, one_of
from echolead.events import Context, encode

SCRIPT_VERSION = "1.0.0"
ZONES = Weighted([
    (72, "America/Sao_Paulo"), (8, "America/Recife"), (7, "America/Bahia"), (6, "America/Fortaleza"),
    (4, "America/Manaus"), (2, "Europe/Lisbon"), (1, "America/New_York"),
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Device:
    """A browser as its requests show it; `context` is that of the event contract, as JSON."""

    user_agent: str
    client_hints: dict[str, str]
    context: str


@dataclass(frozen=True, slots=True)
class Bot:
    """Something that reads pages and is nobody. With `runs_script` it sends events, else it loads the pixel."""

    user_agent: str
    runs_script: bool


def _hints(version: int, *, brand: str = "Google Chrome", platform: str, is_mobile: bool) -> dict[str, str]:
    return {
        "sec-ch-ua": f'"Chromium";v="{version}", "{brand}";v="{version}", "Not=A?Brand";v="24"',
        "sec-ch-ua-mobile": "?1" if is_mobile else "?0",
        "sec-ch-ua-platform": f'"{platform}"',
    }


WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/141.0.0.0 Safari/537.36"
ON_A_PHONE = _hints(141, platform="Android", is_mobile=True)
# Share, user agent, client hints, screen, viewport.
BROWSERS: tuple[tuple[float, str, dict[str, str], str, str], ...] = (
    (30, f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/141.0.0.0 Mobile Safari/537.36", ON_A_PHONE, "360x800",
     "360x664"),
    (10, f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36",
     _hints(140, platform="Android", is_mobile=True), "412x915", "412x784"),
    (6, f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
     _hints(130, brand="Samsung Internet", platform="Android", is_mobile=True), "384x854", "384x720"),
    (13, f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {IOS} Version/18.6 Mobile/15E148 Safari/604.1", {},
     "390x844", "390x664"),
    (6, f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {IOS} Mobile/15E148 Instagram 398.0.0.28.80 "
        "(iPhone15,2; iOS 18_5; pt_BR; pt; scale=3.00; 1179x2556)", {}, "393x852", "393x746"),
    (5, f"Mozilla/5.0 (Linux; Android 14; SM-A546E; wv) {WEBKIT} Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36 "
        "[FB_IAB/FB4A;FBAV/530.0.0.48.74;]", {}, "412x892", "412x760"),
    (18, WINDOWS, _hints(141, platform="Windows", is_mobile=False), "1920x1080", "1903x947"),
    (4, f"{WINDOWS} Edg/141.0.0.0", _hints(141, brand="Microsoft Edge", platform="Windows", is_mobile=False),
     "1366x768",
     "1349x641"),
    (3, f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {IOS} Version/18.6 Safari/605.1.15", {}, "1440x900",
     "1440x789"),
    (2, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", {}, "1536x864", "1520x730"),
    (2, f"{WINDOWS} OPR/122.0.0.0", _hints(141, brand="Opera", platform="Windows", is_mobile=False), "1600x900",
     "1583x767"),
    (1, f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/141.0.0.0 Safari/537.36",
     _hints(141, platform="Linux", is_mobile=False), "1920x1080", "1854x968"),
)  # fmt: skip

BOTS = Weighted([
    (30, Bot("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; "
             "+http://www.google.com/bot.html) Chrome/141.0.0.0 Safari/537.36", runs_script=True)),
    (16, Bot(f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/139.0.0.0 Safari/537.36", runs_script=True)),
    (14, Bot("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", runs_script=False)),
    (12, Bot("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", runs_script=False)),
    (12, Bot("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", runs_script=False)),
    (10, Bot("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", runs_script=False)),
    (6, Bot("", runs_script=False)),
])  # fmt: skip


def _context(zone: str, screen: str, viewport: str) -> str:
    language = "pt-BR" if zone.startswith("America/") else "pt-PT"
    context = Context(
        language=language, time_zone=zone, screen=screen, viewport=viewport, script_version=SCRIPT_VERSION
    )
    return encode(context).decode()


_DEVICES = Weighted(
    (share, {zone: Device(user_agent, hints, _context(zone, screen, viewport)) for zone in ZONES.things})
    for share, user_agent, hints, screen, viewport in BROWSERS
)


def make_device(chance: Random) -> Device:
    """The browser of a person."""
    return _DEVICES.draw(chance)[ZONES.draw(chance)]


def make_address(chance: Random) -> str:
    """An IP address of a Brazilian network as the policy `truncated` keeps it."""
    bits = chance.getrandbits(16)
    return f"{one_of(chance, (177, 179, 186, 187, 189, 191, 200, 201))}.{bits >> 8}.{bits & 255}.0"
