/** Arrivals: what the address said, the ad cookies, where the visitor came from; the first, the last, the last non-direct. */
import { allows } from './consent.js';
import { cookieDomain, keep, pack, readCookie, recall, unpack } from './storage.js';
import { clock, cut, quietly } from './text.js';

const UTM = /^utm_/;
const CLICK_ID =
  /\b((g|d|fb|tw|tt|q|ir|ctwa_)clid|gclsrc|[gw]braid|gad_(source|campaignid)|msclkid|li_fat_id|igshid|(rdt_|mc_|sc)cid|epik|oppref)=[^&#]*&?/gi;

/**
 * @typedef {object} TouchPoint
 * @property {string} at RFC 3339
 * @property {string} landing_url
 * @property {string} referrer
 * @property {Record<string, string>} params
 * @property {Record<string, string>} cookies
 * @typedef {{first?: TouchPoint, last?: TouchPoint, last_non_direct?: TouchPoint}} Touch
 */

/** @type {Touch} with everything the address said; what consent forbids is left out when it is stored or sent */
let touch = {};
/** @type {TouchPoint | undefined} the arrival that opened this session */
let arrival;

/**
 * utm_* and click ids of an address, case kept. Bytes that are not UTF-8 stay percent-encoded rather than become `�`;
 * `+` is a space in a utm_ value, as forms write it, and itself in a click id.
 * @param {string} url
 */
function campaignOf(url) {
  /** @type {Record<string, string>} */
  const params = {};
  for (const pair of url.replace(/^[^?#]*\??|#.*/g, '').split('&')) {
    const [, name, value] = /** @type {string[]} */ (/^([^=]*)=?(.*)/.exec(pair));
    const key = name.toLowerCase();
    const isUtm = UTM.test(key);
    if (value && !params[key] && (isUtm || !withoutClickIds(key + '='))) {
      const raw = isUtm ? value.replace(/\+/g, ' ') : value;
      params[key] = cut(quietly(() => decodeURIComponent(raw)) || raw, 2048);
    }
  }
  return params;
}

/** An address or a query without click ids. @param {string} url */
export const withoutClickIds = (url) => url.replace(CLICK_ID, '').replace(/[?&]+(?=#|$)/, '');

/** Whether the visitor came from this site: same host, or the same registrable domain. */
function isInternal() {
  const host = quietly(() => new URL(document.referrer).hostname);
  return host && ('.' + host).endsWith('.' + (cookieDomain() || location.hostname));
}

/** What tells campaigns apart, of what may be kept. @param {Record<string, string>} params */
const campaignKey = (params) => JSON.stringify(allows('marketing') ? params : utmOf(params));

/** @param {Record<string, string>} params */
const utmOf = (params) => Object.fromEntries(Object.entries(params).filter(([name]) => UTM.test(name)));

/**
 * Note how the visitor came to this page. Called before anything else on the page can change the address.
 * @param {boolean} isSessionOver
 * @returns {boolean} whether it is a new campaign or click id, which opens a new session
 */
export function arrive(isSessionOver) {
  touch = quietly(unpackTouch) || {};
  const { last } = touch;
  const params = campaignOf(location.href);
  const referrer = cut(document.referrer);
  const hasCampaign = campaignKey(params) !== '{}';
  const isCampaign = hasCampaign && campaignKey(params) !== campaignKey(last?.params || {});
  const isExternal = referrer && !isInternal();
  if (!last || isCampaign || (isSessionOver ? hasCampaign || isExternal || !referrer : isExternal && referrer !== last.referrer)) {
    arrival = { at: clock(), landing_url: cut(location.href), referrer, params, cookies: {} };
    touch.first ||= arrival;
    touch.last = arrival;
    if (isExternal || Object.keys(params).length) touch.last_non_direct = arrival;
  } else if (!isSessionOver) {
    arrival = last;
  }
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
  for (const name of ['_fbc', '_fbp', '_ga', 'hubspotutk', 'rdtrk']) {
    const value = cut(readCookie(name), 2048);
    if (value && arrival) arrival.cookies[name] = value;
  }
  return touch;
}

/** Take out of a copy of the arrivals what may not leave when marketing is denied. @param {Touch} copy */
export function withoutMarketing(copy) {
  for (const point of Object.values(copy)) {
    point.landing_url = withoutClickIds(point.landing_url);
    point.referrer = withoutClickIds(point.referrer);
    point.params = utmOf(point.params);
    point.cookies = {};
  }
  return copy;
}

/** Write the arrivals down, as far as the visitor allows: each once, and which of them is which snapshot. */
export function store() {
  const points = allows('marketing') ? currentTouch() : withoutMarketing(structuredClone(touch));
  const unique = [...new Set(Object.values(points))];
  const places = Object.entries(points).map(([name, point]) => [name, unique.indexOf(point)]);
  keep('_elt', pack([places, unique.map((point) => ({ ...point, params: undefined }))]), allows('analytics'));
}

/** @returns {Touch} params are read from the address again */
function unpackTouch() {
  const [places, points] = unpack(recall('_elt'));
  for (const point of points) point.params = campaignOf(point.landing_url);
  return Object.fromEntries(places.map((/** @type {[string, number]} */ [name, at]) => [name, points[at]]));
}
