/** Constants that the build puts in. */

/** The version in package.json. */
declare const SCRIPT_VERSION: string;

/** Hosts of payment pages and identity providers, with a space between two (dbt_project/seeds/excluded_referrers.csv). */
declare const EXCLUDED_REFERRERS: string;

// Whether the build has a feature; code of a feature that it does not have is removed.
declare const FEATURE_AD_COOKIES: boolean;
declare const FEATURE_ATTENTION: boolean;
declare const FEATURE_CHAT: boolean;
declare const FEATURE_COLLECTOR_ID: boolean;
declare const FEATURE_CONTEXT: boolean;
declare const FEATURE_FIELDS: boolean;
declare const FEATURE_HANDOVER: boolean;
declare const FEATURE_SITES: boolean;
declare const FEATURE_USER: boolean;
declare const FEATURE_BEACON: boolean;
