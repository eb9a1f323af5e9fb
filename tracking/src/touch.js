/** Arrivals: what the address said, the ad cookies, where the visitor came from; the first, the last, the last non-direct. */
import { link } from './config.js';
import { allowsAnalytics, allowsMarketing } from './consent.js';
import { cookieDomain, keep, pack, readCookie, unpack } from './storage.js';
import { clock, cut, json, now, parse, quietly } from './text.js';

const CLICK_ID =
  /\b(\w*cl(k?id|src)|[gw]braid|gad_\w+|li_fat_id|igshid|(rdt_|mc_|sc)cid|epik|oppref)=[^&#]*&?/i;
/** Payment pages and identity providers, which nobody comes from. */
const WAY_STATION = /^(accounts|login|checkout|pay)\.|paypal|stripe|mercadopago|pagseguro/;

/**
 * @typedef {object} TouchPoint
 * @property {string} at RFC 3339
 * @property {string} landing_url
 * @property {string} referrer
 * @property {Record<string, string>} params
 * @property {Record<string, string>} cookies
 */

/** @type {Record<string, TouchPoint>} `first`, `last`, `last_non_direct`, with everything the address said; what consent forbids is left out when it is stored or sent */
let touch = {};
/** Whether the last arrival opened this session. */
let isOfSession = false;

/** An address without some of its parameters. @param {string} url @param {RegExp} parameters @returns {string} */
export function without(url, parameters) {
  const rest = url.replace(parameters, '');
  return rest === url ? url : without(rest.replace(/[?&]+(?=#|$)/, ''), parameters); // there may be more of them
}

/** @param {string} name */
const isClickId = (name) => name && !without(name + '=', CLICK_ID);

/**
 * utm_* and click ids of the address, case kept. Bytes that are not UTF-8 stay percent-encoded rather than become `�`;
 * `+` is a space in a utm_ value, as forms write it, and itself in a click id.
 */
function readCampaign(/** @type {Record<string, string>} */ params) {
  for (const [, name, value] of location.search.matchAll(/([^?&=]+)=([^&]+)/g)) {
    const key = name.toLowerCase();
    const isUtm = key.startsWith('utm_');
    const raw = isUtm ? value.replace(/\+/g, ' ') : value;
    if (isUtm || isClickId(key)) params[key] ??= cut(quietly(() => decodeURIComponent(raw)) || raw);
  }
}

/**
 * A copy of anything, as far as the visitor allows it to leave: with marketing denied without click ids, also in
 * addresses, and without ad cookies.
 * @template T @param {T} value @returns {T}
 */
export const permitted = (value) =>
  parse(
    json(value),
    /** @type {any} */ (allowsMarketing()) ||
      ((name, part) => (name === 'cookies' ? {} : isClickId(name) ? undefined : part?.replace ? without(part, CLICK_ID) : part)),
  );

/** Whether cookies of this page are there, too. @param {string} hostname */
const isOfDomain = (hostname) => ('.' + hostname).endsWith('.' + (cookieDomain() || location.hostname));

/** Hosts of the tenant's that know nothing of the visitor unless they are told. */
export const foreign = link.split(/[ ,]+/).filter((/** @type {string} */ hostname) => hostname && !isOfDomain(hostname));

/** Whether it is of this site or a sibling: same registrable domain, or a host that the tenant names. @param {URL} url */
export const isOwn = ({ hostname }) => isOfDomain(hostname) || foreign.includes(hostname);

/** Whether the visitor was only sent back: from this site, from paying, from signing in. */
function isInternal() {
  const url = new URL(document.referrer);
  return isOwn(url) || WAY_STATION.test(url.host);
}

/**
 * Note how the visitor came to this page. Called before anything else on the page can change the address.
 * @param {boolean} isSessionOver
 * @returns {boolean} whether it is a new campaign or click id, which opens a new session
 */
export function arrive(isSessionOver) {
  touch = unpack('_elt');
  const { last } = touch;
  for (const name in touch) touch[name] ||= last;
  /** @type {Record<string, string>} */
  const params = {};
  readCampaign(params);
  const campaign = json(permitted(params));
  const isCampaign = campaign !== '{}' && campaign !== json(permitted(last?.params || ''));
  const { referrer } = document;
  const isExternal = referrer && !quietly(isInternal);
  if (!last || isCampaign || (isSessionOver ? isExternal || !referrer : isExternal && cut(referrer) !== last.referrer)) {
    touch.last = {
      at: clock(),
      landing_url: cut(location.href, 4096),
      referrer: isExternal ? cut(referrer) : '',
      params,
      // As Meta's own script would write it, which may be blocked or not there; its cookie replaces ours when it is.
      cookies: params.fbclid ? { _fbc: 'fb.1.' + now() + '.' + params.fbclid } : {},
    };
    touch.first ||= touch.last;
    if (isExternal || Object.keys(params)[0]) touch.last_non_direct = touch.last;
    isOfSession = true;
  } else isOfSession = !isSessionOver;
  store();
  return isCampaign;
}

/** Forget every arrival but this one. */
export function arriveAsNew() {
  keep('_elt', '', false);
  arrive(true);
}

/** The arrivals, whole. Ad scripts set their cookies after ours has run, so they are read again here. */
export function currentTouch() {
  for (const name of '_fbc _fbp _ga hubspotutk rdtrk'.split(' ')) {
    const value = cut(readCookie(name));
    if (value && isOfSession) touch.last.cookies[name] = value;
  }
  return touch;
}

/** Write the arrivals down, as far as the visitor allows; `false` stands for the last where it comes again. */
export function store() {
  const { first, last, last_non_direct } = currentTouch();
  const arrivals = { last, first: first !== last && first, last_non_direct: last_non_direct !== last && last_non_direct };
  keep('_elt', pack(permitted(arrivals)), allowsAnalytics());
}
