"""Questions over HTTP to the parts of a stack."""

from functools import cache

import httpx


@cache
def client() -> httpx.Client:
    """
    One for all questions: each new one reads the system's certificates, which takes longer than the question.

    It keeps no connection, since the one it kept may be that of a part which has been killed meanwhile.
    """
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
