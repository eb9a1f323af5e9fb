/** Hosts of the tenant that cannot read this page's cookies. */
import { link } from './config.js';
import { sharesCookies } from './storage.js';

/** @type {string[]} */
let hosts;

/** Found when first asked for, as that may try a cookie. */
export const foreignHosts = () =>
  (hosts ??= (link || '').split(/[ ,]+/).filter((/** @type {string} */ hostname) => hostname && !sharesCookies(hostname)));
