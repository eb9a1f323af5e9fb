"""A contact's fields: what each gets by default, their types, and the names that are free for ours.

Source: developers.rdstation.com "Campos personalizados".
"""

from collections.abc import Collection, Mapping
from typing import Any

from reverse_etl.destinations.chatwoot_definitions import LINK_KEY, TITLES
from reverse_etl.mapping import PropertyMap, Rule
from reverse_etl.property_types import PropertyType

RECORD = "contact"
CUSTOM = "cf_"
OWN_PREFIX = "cf_echolead_"
MOST_NAMES = 9
DEFAULT_MAPPING = """
contact:
  name: name
  mobile_phone: phone
  cf_echolead_id: lead_id
  cf_echolead_url: url
  cf_echolead_channel: attributes.channel
  cf_echolead_source: attributes.source
  cf_echolead_medium: attributes.medium
  cf_echolead_campaign: attributes.campaign
  cf_echolead_term: attributes.term
  cf_echolead_content: attributes.content
  cf_echolead_gclid: attributes.gclid
  cf_echolead_fbclid: attributes.fbclid
  cf_echolead_first_source: attributes.first_source
  cf_echolead_first_medium: attributes.first_medium
  cf_echolead_first_campaign: attributes.first_campaign
  cf_echolead_first_landing_page: attributes.first_landing_page
  cf_echolead_first_seen_at: attributes.first_seen_at
  cf_echolead_sessions_count: attributes.sessions_count
"""
LABELS = {"lead_id": "EchoLead", "url": TITLES[LINK_KEY]}
TYPES: Mapping[str, PropertyType] = {
    "STRING": PropertyType("text"),
    "INTEGER": PropertyType("number"),
    "BOOLEAN": PropertyType("boolean"),
    "STRING[]": PropertyType("options"),
}
# Names that RD refuses for custom fields, because it has them itself: those that its page lists, and as it is cut short
# where it could be read, those that contacts have. Setup goes on to the next name when RD refuses one.
RESERVED_NAMES = """
    _is _rd_experiment_content_id account_id address already_received_email asset_id available_for_mailing bio birthdate
    c_utmz cargo celular channel cidade city city_id client_id client_tracking_id clusters_ids company company_address
    company_id company_name company_phone company_sector_id company_site company_size conversion_domain conversion_id
    conversion_identifier conversion_payload conversion_url conversions_sum country created_at ddd-celular device e-mail
    email email_lead employer_identification_number empresa endereco-da-empresa endereco-empresa estado facebook
    firstname funnel_uuid google_analytics_client_id id id_bigint id_old identificador import_token internal_source ip
    job_title last_conversion_date last_visit_date lead_id leads_manager_id
    legal_bases linkedin mobile_phone name nome personal_phone phone state tags telefone traffic_campaign traffic_medium
    traffic_source traffic_value twitter updated_at uuid website
"""
RESERVED = frozenset(RESERVED_NAMES.split())


def types_of(fields: Collection[Mapping[str, Any]]) -> dict[str, PropertyType]:
    """The types of the account's fields, by `api_identifier`."""
    return {str(each["api_identifier"]): _type(each) for each in fields}


def names_to_try(name: str) -> list[str]:
    """The names under which a mapped custom field may be in the account, the best first."""
    bare = name.removeprefix(CUSTOM)
    if not name.startswith(CUSTOM):
        return [name]
    ours = bare if name.startswith(OWN_PREFIX) else f"echolead_{bare}"
    tried = [bare, ours, *(f"{ours}_{number}" for number in range(2, MOST_NAMES + 1))]
    return [f"{CUSTOM}{each}" for each in dict.fromkeys(tried) if each not in RESERVED]


def resolved(mapping: PropertyMap, there: Collection[str]) -> PropertyMap:
    """The mapping with the names that the account has for its fields."""
    rules = {}
    for name, rule in mapping.records[RECORD].items():
        rules[next((each for each in names_to_try(name) if each in there), name)] = rule
    return PropertyMap({RECORD: rules})


def definition(name: str, rule: Rule) -> dict[str, Any]:
    """What setup makes for a custom field."""
    attribute = rule.source.rpartition(".")[2]
    label = LABELS.get(rule.source) or TITLES.get(attribute) or name.removeprefix(CUSTOM)
    is_number = attribute == "sessions_count"
    return {
        "name": {"pt-BR": name.removeprefix(CUSTOM)},
        "label": {"pt-BR": label},
        "api_identifier": name,
        "data_type": "INTEGER" if is_number else "STRING",
        "presentation_type": "NUMBER_INPUT" if is_number else "TEXT_INPUT",
    }


def _type(field: Mapping[str, Any]) -> PropertyType:
    known = TYPES.get(str(field.get("data_type")), TYPES["STRING"])
    options = [str(each["value"]) for each in field.get("valid_options") or ()]
    if not options:
        return known
    return PropertyType("options" if known.kind == "options" else "option", options={each: each for each in options})
