"""The registrable domain of a host (acme.co.uk of eu.acme.co.uk): hosts in, table `f_domain` out (SEM-W3)."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache

import pyarrow as pa
import tldextract

from pql.features.scratch import Scratch, quoted

_extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # the bundled list: no network
_PLAIN = r"[a-z0-9-]+\.[a-z][a-z0-9-]*"  # two labels, as most are


@cache
def _suffixes() -> tuple[frozenset[str], frozenset[str]]:
    """(public suffixes of two labels, top-level domains below which any label is one)."""
    below = frozenset(suffix.removeprefix("*.") for suffix in _extract.tlds if suffix.startswith("*."))
    return frozenset(suffix for suffix in _extract.tlds if suffix.count(".") == 1), below


@lru_cache(maxsize=100_000)
def registrable(host: str) -> str | None:
    """The registrable domain of a host, URL or e-mail domain; None if there is none.

    A top-level domain that the public suffix list does not know counts as one (its rule `*`).

    >>> registrable("https://www.Acme.co.uk/pricing"), registrable("eu.acme.test"), registrable("localhost")
    ('acme.co.uk', 'acme.test', None)
    """
    parts = _extract(host.strip().lower())
    if parts.suffix:
        return parts.top_domain_under_public_suffix or None
    labels = [*parts.subdomain.split("."), parts.domain]
    return ".".join(labels[-2:]) if parts.subdomain and not parts.ipv4 else None


def make_domains(scratch: Scratch, hosts_sql: str, free_mail_domains: Collection[str]) -> None:
    """Create `f_domain` (host, domain, is_free): every host of the query with its registrable domain.

    Most hosts are their own, which DuckDB sees by itself; only the others are looked up one by one.
    """
    suffixes, below = _suffixes()
    free = {domain.lower() for domain in free_mail_domains}
    scratch.make("f_host", f"SELECT DISTINCT host FROM ({hosts_sql}) WHERE host IS NOT NULL")
    _put(scratch, "f_suffix", host=sorted(suffixes))
    _put(scratch, "f_free_mail", domain=sorted(free))
    scratch.make("f_plain_host", _PLAIN_HOSTS.format(plain=quoted(_PLAIN), below=", ".join(map(quoted, sorted(below)))))
    odd = [str(host) for host in scratch.fetch("FROM f_host ANTI JOIN f_plain_host USING (host) ORDER BY host")["host"]]
    _put(scratch, "f_odd_host", host=odd, domain=[host if host.lower() in free else registrable(host) for host in odd])
    scratch.make("f_domain", _DOMAINS)
    scratch.drop("f_host", "f_suffix", "f_free_mail", "f_plain_host", "f_odd_host")


def _put(scratch: Scratch, name: str, **columns: Collection[str | None]) -> None:
    scratch.put(name, {column: pa.array(list(values), pa.string()) for column, values in columns.items()})


_PLAIN_HOSTS = """
SELECT host FROM f_host ANTI JOIN f_suffix USING (host)
WHERE regexp_full_match(host, {plain}) AND split_part(host, '.', 2) NOT IN ({below})
"""

_DOMAINS = """
WITH looked_up AS (SELECT host, host AS domain FROM f_plain_host UNION ALL SELECT host, domain FROM f_odd_host)
SELECT host, domain, coalesce(domain IN (FROM f_free_mail), false) AS is_free FROM looked_up
"""
