"""Host side of the interlock board: the link's frames and the client.

Owns what crosses the wire between supervisor and board, from one source shared with the C (firmware_bridge/protocol).
Must not know tests, profiles or limits of a pack. It exists apart because the board is a device of its own, with its
own firmware and its own proofs.
"""
