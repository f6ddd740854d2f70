"""Addresses of clients."""

import ipaddress


def is_internal(host):
    """Whether the address belongs to a private network; a name instead of an address does not."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return False
