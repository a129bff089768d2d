"""Between regions: evidence notices and appeals, from issuer to issuer.

    reason.py message.py envelope.py           the format, both directions          pure
    rows.py sending.py inbox.py waiting.py     outbox, inbox, people not yet here   shell
    taking.py appeals.py                       what arrives, and contesting it      shell
    post.py exchange.py cli.py                 HTTP, all of it together, commands   shell

Spec page: docs/spec/region-notice.md. ADR 0012 says what silence about an appeal does.
"""
