"""The operational tables: tenants, users, destinations, and the ledger of deliveries.

Every table with a `tenant_id` has row-level security (docs/decisions/0006-row-level-security.md). Foreign keys include
the tenant, because PostgreSQL checks them without row policies.
"""

from echolead.operational.models.audit import AuditChain, AuditEntry
from echolead.operational.models.base import EMPTY_LIST, EMPTY_OBJECT, NO_TEXTS, Base, one_of
from echolead.operational.models.chat import MEMBER_KINDS, ChatMember, ChatPull, ChatSettings
from echolead.operational.models.collecting import ApiKey, CollectorCount, WebhookEndpoint
from echolead.operational.models.control import TASK_KINDS, TASK_STATES, AnsweredRequest, ControlTask
from echolead.operational.models.deals import FUNNEL_STAGES, DealPull, DealStage
from echolead.operational.models.deliveries import DELIVERY_STATES, WAITING, Delivery, DeliveryAttempt, PlanningPosition
from echolead.operational.models.destinations import (
    Destination,
    DestinationFields,
    DestinationQuota,
    DestinationRecord,
    DestinationTokens,
)
from echolead.operational.models.erasures import ERASURE_STATES, ERASURE_STEPS, Erasure
from echolead.operational.models.lake import LakeFile, LakePosition
from echolead.operational.models.resyncs import RESYNC_STATES, Resync, ResyncDelivery
from echolead.operational.models.rules import BusinessHours, LeadRuleSet
from echolead.operational.models.spend import SPEND_PLATFORMS, CampaignAlias, SpendPull, SpendSource
from echolead.operational.models.tenants import (
    COLLECT_PATH_PATTERN,
    CONSENT_DEFAULTS,
    IP_POLICIES,
    LANGUAGES,
    MIN_LIMIT,
    TENANT_ID_PATTERN,
    ChannelRule,
    ExcludedReferrer,
    Tenant,
    TenantHost,
    TenantOrigin,
    TenantRate,
)
from echolead.operational.models.users import (
    FILTERED_PAGES,
    SavedFilter,
    SignInAttempt,
    User,
    UserIdentity,
    UserSession,
    UserTenant,
    UserToken,
)
from echolead.operational.models.warehouse import (
    DECISION_KINDS,
    OPEN_STATES,
    REQUEST_KINDS,
    REQUEST_STATES,
    LeadDecision,
    LiveStep,
    QuarantineEntry,
    WarehouseRequest,
)

__all__ = [
    "COLLECT_PATH_PATTERN",
    "CONSENT_DEFAULTS",
    "DECISION_KINDS",
    "DELIVERY_STATES",
    "EMPTY_LIST",
    "EMPTY_OBJECT",
    "ERASURE_STATES",
    "ERASURE_STEPS",
    "FILTERED_PAGES",
    "FUNNEL_STAGES",
    "IP_POLICIES",
    "LANGUAGES",
    "MEMBER_KINDS",
    "MIN_LIMIT",
    "NO_TEXTS",
    "OPEN_STATES",
    "REQUEST_KINDS",
    "REQUEST_STATES",
    "RESYNC_STATES",
    "SPEND_PLATFORMS",
    "TASK_KINDS",
    "TASK_STATES",
    "TENANT_ID_PATTERN",
    "WAITING",
    "AnsweredRequest",
    "ApiKey",
    "AuditChain",
    "AuditEntry",
    "Base",
    "BusinessHours",
    "CampaignAlias",
    "ChannelRule",
    "ChatMember",
    "ChatPull",
    "ChatSettings",
    "CollectorCount",
    "ControlTask",
    "DealPull",
    "DealStage",
    "Delivery",
    "DeliveryAttempt",
    "Destination",
    "DestinationFields",
    "DestinationQuota",
    "DestinationRecord",
    "DestinationTokens",
    "Erasure",
    "ExcludedReferrer",
    "LakeFile",
    "LakePosition",
    "LeadDecision",
    "LeadRuleSet",
    "LiveStep",
    "PlanningPosition",
    "QuarantineEntry",
    "Resync",
    "ResyncDelivery",
    "SavedFilter",
    "SignInAttempt",
    "SpendPull",
    "SpendSource",
    "Tenant",
    "TenantHost",
    "TenantOrigin",
    "TenantRate",
    "User",
    "UserIdentity",
    "UserSession",
    "UserTenant",
    "UserToken",
    "WarehouseRequest",
    "WebhookEndpoint",
    "one_of",
]
