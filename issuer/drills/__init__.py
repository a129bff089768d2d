"""Rehearsed accidents. Each makes a small world of its own, and proves what the recovery promises.

Nothing outside the folder of a drill is read or written: no setting, no database, no key.
"""
