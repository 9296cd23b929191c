"""What a run leaves on disk: the event log and the samples.

Owns durability (an event is on disk before it is acknowledged), the hash chain, reading back and export. Must not
interpret what it stores. It exists behind one writer, since SQLite on the event loop would cost tens of milliseconds.
"""
