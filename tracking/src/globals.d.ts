/** The version in package.json, put in by the build. */
declare const SCRIPT_VERSION: string;
/** Whether this build carries the visitor to the tenant's other domains: only where it has some. */
declare const HAS_HANDOVER: boolean;
