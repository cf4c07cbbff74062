"""Words that the simulated companies and people are named from, and the few fixed parties; no behaviour."""

from __future__ import annotations

OWN_DOMAIN = "relay.example"  # the staff of Relay, the simulated vendor
TEST_DOMAIN = "acme.test"
HOSTILE_NAME = '<!channel> & "Söhne" 😀'  # a company that would ping everybody, were its name not escaped


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words(
    "Mia Tom Dana Ines Noah Lea Omar Ruth Jan Aiko Luis Nora Paul Zoe Ravi Elin Hugo Sara Ivan Maya Finn Lucia Sami "
    "Greta Leo Amara Nils Clara Theo Yuki Ana Emil Priya Jonas Freya Marco Lina Kofi Vera Milo Nadia Oskar Tara Felix "
    "Wen Isla Pedro Julia Arjun Selma Viktor Carmen Dario Hanna Malik Petra Rosa Simon Thea Umar"
)
LAST = _words(
    "Chen Ruiz Okafor Keller Silva Novak Haddad Lindqvist Moreau Tanaka Osei Fischer Rossi Duarte Patel Nielsen Kovacs "
    "Abebe Larsen Weber Costa Ito Marin Dubois Petrov Nguyen Schmid Farah Jensen Ortiz Bauer Mensah Sato Vogel Romero "
    "Kaya Lund Iyer Horvat Leclerc Adeyemi Berg Castro Dahl Engel Fuchs Galli Holm Ivanov Janssen"
)
ADJECTIVES = _words(
    "Northwind Bright Copper Harbour Lumen Granite Velvet Cedar Polar Amber Quiet Vector Summit Coral Juniper Atlas "
    "Saffron Willow Cobalt Meadow Ember Tidal Orchid Silver Canyon Maple Indigo Aurora Birch Falcon Crescent "
    "Horizon Ivory Jade Kestrel Lunar Marble Nimbus Opal Pioneer Quartz River Sable Terra Umber Verdant Zephyr Echo"
)
NOUNS = _words(
    "Robotics Labs Logistics Foods Health Studio Analytics Energy Media Systems Outdoor Insurance Textiles Biotech "
    "Games Partners Mobility Ceramics Software Travel Finance Optics Press Gardens Aerospace Coffee Legal Security "
    "Retail Education"
)
INDUSTRIES = (
    "COMPUTER_SOFTWARE",
    "LOGISTICS_AND_SUPPLY_CHAIN",
    "HOSPITAL_HEALTH_CARE",
    "INSURANCE",
    "RETAIL",
    "MARKETING_AND_ADVERTISING",
    "FINANCIAL_SERVICES",
    "HIGHER_EDUCATION",
)
FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.com", "gmx.de", "proton.me")
TOOLS = ("github", "jira", "google_drive", "zendesk", "figma", "hubspot", "pagerduty")
DOCS = ("/docs/getting-started", "/docs/integrations", "/changelog", "/guides/channels", "/app", "/app/search")

# The sales team: (HubSpot owner id, first name, last name, e-mail, known in Slack). The last has left Slack.
OWNERS = (
    ("71000001", "Dana", "Ito", f"dana@{OWN_DOMAIN}", True),
    ("71000002", "Marek", "Novak", f"marek@{OWN_DOMAIN}", True),
    ("71000003", "Priya", "Iyer", f"priya@{OWN_DOMAIN}", True),
    ("71000004", "Lucas", "Berg", f"lucas@{OWN_DOMAIN}", True),
    ("71000005", "Sasha", "Reyes", f"sdr@{OWN_DOMAIN}", True),
    ("71000006", "Old", "Timer", f"old.timer@{OWN_DOMAIN}", False),
)
