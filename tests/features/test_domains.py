"""What a host's registrable domain is does not depend on who looks it up: DuckDB, or the public suffix list."""

from __future__ import annotations

import duckdb

from pql.features.domains import make_domains, registrable
from pql.features.scratch import Scratch, quoted

FREE = ("gmail.com", "mail.co.uk")
HOSTS = (
    "acme.com", "ACME.com", " acme.com", "eu.acme.com", "https://www.acme.co.uk/pricing", "co.uk", "acme.co.uk",
    "anything.ck", "www.ck", "acme.anything.ck", "acme.test", "a.b.acme.test", "blogspot.com", "acme.blogspot.com",
    "localhost", "1.2.3.4", "1.2", "acme.", ".com", "", "söhne.de", "xn--shne-6qa.de", "a_b.com", "o'brien.ie",
    "gmail.com", "Gmail.com", "mail.co.uk", "eu.gmail.com",
)  # fmt: skip


def test_every_host_has_the_domain_that_looking_it_up_gives() -> None:
    """Hosts of two labels, of many, suffixes themselves, other scripts, nonsense: the same as one by one."""
    hosts = " UNION ALL ".join(f"SELECT {quoted(host)} AS host" for host in (*HOSTS, *HOSTS))
    with Scratch(duckdb.connect()) as scratch:
        make_domains(scratch, f"{hosts} UNION ALL SELECT NULL", FREE)
        found = {str(host): (domain, free) for host, domain, free in scratch.con.execute("FROM f_domain").fetchall()}
    expected = {host: host if host.lower() in FREE else registrable(host) for host in HOSTS}
    assert {host: domain for host, (domain, _) in found.items()} == expected
    assert {host for host, (_, is_free) in found.items() if is_free} == {"gmail.com", "mail.co.uk", "eu.gmail.com"}
