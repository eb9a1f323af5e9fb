"""Generated traffic: what visitors of made-up sites do over days or months, as the collector would have queued it.

`generator.generate` is pure: the same arguments give the same bytes, on any machine. Nothing in it is real but the
names of ad platforms, search engines and browsers: hosts and e-mail addresses are of `*.example`, people are made up.
"""
