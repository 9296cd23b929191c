"""The shell around the pure core: the only package that waits.

Owns the port (one owner a bus; retries live there alone), the poller, the channel, the supervisor and the recorder.
Must not decide: it asks `engine` and `safety` and carries out what they return, and cannot tell whether the far side
of the wire is real. It exists so that everything that decides stays a plain function.
"""
