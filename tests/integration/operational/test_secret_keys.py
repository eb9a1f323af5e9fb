"""Secrets at rest: the collector's and the delivery engine's, and the change from one key to two."""

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from echolead import setup
from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.tenants import set_chatwoot_hmac_token
from echolead.queue_users import SETUP
from echolead.security import Undecryptable, Vault, new_secret_key
from echolead.settings import Settings
from tests.fixtures.operational import make_destination, make_tenant
from tests.fixtures.webhooks import make_webhook

ONE_KEY, COLLECTOR_KEY, DESTINATION_KEY = new_secret_key(), new_secret_key(), new_secret_key()


@pytest.fixture
def before(system_engine: Engine) -> str:
    """A tenant whose secrets are all under one key; another tenant's is under a lost key."""
    tenant_id, lost = (make_tenant(system_engine).tenant_id for _ in range(2))
    make_destination(system_engine, tenant_id)
    make_webhook(system_engine, tenant_id, "standard")
    make_destination(system_engine, lost, name="lost")
    with system_session(system_engine) as session:
        set_chatwoot_hmac_token(session, Vault(ONE_KEY), tenant_id, "widget-token", actor="test")
        for table in ("destinations", "webhook_endpoints"):
            again = Vault(ONE_KEY).encrypt({"of": table})
            session.execute(text(f"update {table} set secrets = :s where tenant_id = :t"), {"s": again, "t": tenant_id})
        session.execute(
            text("update destinations set secrets = :s where tenant_id = :t"),
            {"s": Vault(new_secret_key()).encrypt({}), "t": lost},
        )
    return tenant_id


def stored(engine: Engine, tenant_id: str) -> dict[str, bytes]:
    with system_session(engine) as session:
        return {
            table: session.scalar(text(f"select secrets from {table} where tenant_id = :t"), {"t": tenant_id}) or b""
            for table in ("destinations", "webhook_endpoints", "tenants")
        }


def settings_with(**keys: str) -> Settings:
    return Settings(**{name: SecretStr(value) for name, value in keys.items()})  # type: ignore[arg-type]


def test_set_up_moves_from_one_key_to_two_and_skips_secrets_that_no_key_decrypts(
    before: str,
    operational_urls: OperationalUrls,
    nats_server: EmbeddedNats,
    system_engine: Engine,
    capsys: pytest.CaptureFixture[str],
) -> None:
    of_set_up = settings_with(
        postgres_url=operational_urls.owner,
        postgres_system_url=operational_urls.system,
        nats_setup_url=nats_server.url_of(SETUP),
        secret_keys=ONE_KEY,
        collector_secret_keys=COLLECTOR_KEY,
        destination_secret_keys=DESTINATION_KEY,
    )
    setup.set_up(of_set_up)
    found = stored(system_engine, before)
    assert Vault(DESTINATION_KEY).decrypt(found["destinations"]) == {"of": "destinations"}
    assert Vault(COLLECTOR_KEY).decrypt(found["webhook_endpoints"]) == {"of": "webhook_endpoints"}
    assert Vault(COLLECTOR_KEY).decrypt(found["tenants"]) == {"chatwoot_hmac_token": "widget-token"}
    assert "destination lost of" in capsys.readouterr().err
    setup.set_up(of_set_up)
    assert stored(system_engine, before) == found  # what is under the newest key stays as it is


def test_each_key_decrypts_only_the_secrets_of_its_own_kind() -> None:
    of_collector = Vault.of_collector(settings_with(collector_secret_keys=COLLECTOR_KEY))
    of_destinations = Vault.of_destinations(settings_with(destination_secret_keys=DESTINATION_KEY))
    with pytest.raises(Undecryptable, match="ECHOLEAD_COLLECTOR_SECRET_KEYS"):
        of_collector.decrypt(of_destinations.encrypt({"api_access_token": "x"}))
    with pytest.raises(Undecryptable, match="ECHOLEAD_DESTINATION_SECRET_KEYS"):
        of_destinations.decrypt(of_collector.encrypt({"current": "x"}))


def test_secrets_under_the_old_key_stay_readable_until_it_is_removed() -> None:
    kept = Vault(ONE_KEY).encrypt({"current": "x"})
    both = settings_with(collector_secret_keys=COLLECTOR_KEY, secret_keys=ONE_KEY)
    assert Vault.of_collector(both).decrypt(kept) == {"current": "x"}
    assert Vault(COLLECTOR_KEY).decrypt(Vault.of_collector(both).rotate(kept)) == {"current": "x"}
    with pytest.raises(Undecryptable):
        Vault.of_collector(settings_with(collector_secret_keys=COLLECTOR_KEY)).decrypt(kept)


def test_an_installation_with_one_key_for_both_goes_on() -> None:
    one = settings_with(secret_keys=ONE_KEY)
    assert Vault.of_destinations(one).decrypt(Vault.of_collector(one).encrypt({"a": "b"})) == {"a": "b"}
