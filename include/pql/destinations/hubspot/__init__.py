"""HubSpot as a destination: tasks for owners, values written back, tasks taken back, and what stands there."""

from pql.destinations.hubspot.destination import PACE, HubSpotDestination

__all__ = ["PACE", "HubSpotDestination"]
