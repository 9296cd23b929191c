"""Byte streams: memory, TCP, serial.

Owns moving bytes and telling when a link is gone. Must not frame, match, time out or retry (that is the port in
`packbench.run`). It exists so that hardware and its simulation differ on the far side of one wire and nowhere else.
"""
