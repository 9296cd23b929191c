"""Safety rules: judge(state, snapshot, limits, now) -> (state, verdict).

Owns one function a rule, and the latch. Must not end a test politely (that is `engine`) nor act on devices (that is
`run`). It exists apart from the engine because test logic is never counted as safety; the board's own ring in C and
the hard-wired chain do not depend on it.
"""
