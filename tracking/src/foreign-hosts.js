/** Hosts of the tenant that cannot read this page's cookies. */
import { link } from './config.js';
import { sharesCookies } from './storage.js';

/** @type {string[]} */
export const foreignHosts = link.split(/[ ,]+/).filter((/** @type {string} */ hostname) => hostname && !sharesCookies(hostname));
