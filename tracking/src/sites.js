/** Which hosts are the tenant's own. */
import { foreignHosts } from './foreign-hosts.js';
import { sharesCookies } from './storage.js';

/** Whether a host is of this site, a sibling below the same domain, or one that the tenant names. @param {string} hostname */
export const isOwnHost = (hostname) => (FEATURE_SITES && foreignHosts().includes(hostname)) || sharesCookies(hostname);
