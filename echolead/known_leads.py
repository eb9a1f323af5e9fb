"""What an operation has to know of a lead before it changes something: that it is there, and its visitors."""

from clickhouse_connect.driver.client import Client

from echolead.operational.errors import NotFound

VISITORS = """
select tracking_ids from marts.leads where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
"""


def visitors_of(client: Client, tenant_id: str, lead_id: str) -> set[str]:
    """The tracking ids of a lead. Raises `NotFound`; reads one row by key."""
    found = client.query(VISITORS, parameters={"tenant_id": tenant_id, "lead_id": lead_id}).result_rows
    if not found:
        raise NotFound(f"Tenant {tenant_id} has no lead {lead_id}.")
    return {str(each) for each in found[0][0]}
