"""Forty texts that a topic, a name or a server's answer may hold to attack a page."""

from tests.daemon.web.plot import NOON, answer, incident, status

__all__ = ["PAYLOADS", "HostileRecorder"]

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    '"><img src=x onerror=alert(4)>',
    "'><img src=x onerror=alert(5)>",
    '" onmouseover="alert(6)" x="',
    "' onfocus='alert(7)' autofocus='",
    "<svg onload=alert(8)>",
    "<svg><script>alert(9)</script></svg>",
    '<svg><animate onbegin="alert(10)" attributeName=x dur=1s>',
    "</svg><script>alert(11)</script>",
    "</title><script>alert(12)</script>",
    "</textarea><script>alert(13)</script>",
    "</style><script>alert(14)</script>",
    "<style>*{background:url(http://evil.example/a)}</style>",
    "<link rel=stylesheet href=http://evil.example/b>",
    "<iframe src=javascript:alert(15)></iframe>",
    "<iframe srcdoc='<script>alert(16)</script>'></iframe>",
    "<object data=javascript:alert(17)></object>",
    "<embed src=http://evil.example/c>",
    "<base href=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/d'>",
    "<form action=http://evil.example/e><input type=submit autofocus></form>",
    "<details open ontoggle=alert(18)>",
    "<video><source onerror=alert(19)></video>",
    "<body onload=alert(20)>",
    "<a href=javascript:alert(21)>here</a>",
    "javascript:alert(22)",
    "{{ 7*7 }}{% raw %}",
    "{{ ''.__class__.__mro__ }}",
    "${alert(23)}",
    "&lt;script&gt;alert(24)&lt;/script&gt;",
    "<!--><script>alert(25)</script>-->",
    "]]><script>alert(26)</script>",
    "<scr\x00ipt>alert(27)</scr\x00ipt>",
    "+ADw-script+AD4-alert(28)+ADw-/script+AD4-",
    "\u202egnp.<script>alert(29)</script>\u2066",
    "\x1b[31m\r\nSet-Cookie: a=b\r\n\r\n<script>alert(30)</script>",
    "\ud800<script>alert(31)</script>",
    "A" * 5000 + "<script>alert(32)</script>",
)


class HostileRecorder:
    """A control socket in whose answers every name, cause and sentence is the payload."""

    def __init__(self, payload="harmless", now_ns=NOON):
        self.payload, self.now_ns = payload, now_ns

    def answer(self, question):
        if question["verb"] != "status":
            return answer({**question, "channel": "whs.A.5.t"}, self.now_ns)
        reported = {**status(self.now_ns)}
        reported["channels"] = reported["channels"][:2] + reported["channels"][-1:]
        reported["trouble"] = ["one", "two", "three"]
        reported["incidents"] = [incident(self.now_ns, acknowledged_until_ns=self.now_ns + 10**12)]
        reported["clock"] = {"known": True, "how": "x"}
        return self._turned(reported)

    def _turned(self, node, key=""):
        """States stay: the page understands no other; so do the channels' numbers and keys."""
        if isinstance(node, dict):
            causes = {"no answer", "institute"}
            return {self.payload if k in causes else k: self._turned(v, k) for k, v in node.items()}
        if isinstance(node, list):
            return [self._turned(v, key) for v in node]
        return self.payload if isinstance(node, str) and key != "state" else node
