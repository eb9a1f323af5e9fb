/** Arrivals: the address, ad cookies and referrer with which the visitor came; the first, the last, the last non-direct. */
import { asAllowed, readCampaign } from './campaign.js';
import { allowsAnalytics } from './consent.js';
import { isOwnHost } from './sites.js';
import { readCookie, readRecord, saveRecord } from './storage.js';
import { timestamp, toJson, truncate } from './text.js';

const RECORD = '_elt';
const AD_COOKIES = ['_fbc', '_fbp', '_ga', 'hubspotutk', 'rdtrk'];

/** Labels of the hosts of payment pages and identity providers, which only send visitors back. */
const WAY_STATIONS = ['accounts', 'login', 'checkout', 'pay', 'paypal', 'stripe', 'mercadopago', 'pagseguro'];

/**
 * @typedef {object} TouchPoint
 * @property {string} at RFC 3339
 * @property {string} landing_url
 * @property {string} referrer empty for an own host, a way station, and none
 * @property {Record<string, string>} params
 * @property {Record<string, string>} cookies
 */

/**
 * `first`, `last`, `last_non_direct`, whole: what consent forbids is left out where they are stored or sent.
 * @type {Record<string, TouchPoint>}
 */
let touch = {};
/** Whether the last arrival opened this session. */
let isOfSession = false;

/** @param {string} hostname */
const isWayStation = (hostname) => hostname.split('.').some((label) => WAY_STATIONS.includes(label));

/** Whether visitors from a host only come back: from this site, from paying, from signing in. @param {string} hostname */
const isInternal = (hostname) => isOwnHost(hostname) || (FEATURE_SITES && isWayStation(hostname));

/**
 * Note how the visitor came to this page. Called before anything on the page can change the address.
 * @param {boolean} isSessionOver
 * @returns {boolean} whether a new campaign or click id came, which opens a new session
 */
export function noteArrival(isSessionOver) {
  touch = readRecord(RECORD);
  const { last } = touch;
  for (const name in touch) touch[name] ||= last; // `false` is stored for one that is the last again
  const params = readCampaign();
  const campaign = toJson(asAllowed(params));
  const isCampaign = campaign !== '{}' && campaign !== toJson(asAllowed(last?.params || {}));
  const isReturn = document.referrer && isInternal(new URL(document.referrer).hostname);
  const referrer = isReturn ? '' : document.referrer;
  const isOtherReferrer = referrer && truncate(referrer) !== last?.referrer;
  const isArrival = !last || isCampaign || (isSessionOver ? !isReturn : isOtherReferrer);
  if (isArrival) {
    touch.last = {
      at: timestamp(),
      landing_url: truncate(location.href, 4096),
      referrer: truncate(referrer),
      params,
      // As Meta's own script builds it, which may be blocked; where it runs, its cookie replaces this one.
      cookies: FEATURE_AD_COOKIES && params.fbclid ? { _fbc: `fb.1.${Date.now()}.${params.fbclid}` } : {},
    };
    touch.first ||= touch.last;
    if (referrer || Object.keys(params).length) touch.last_non_direct = touch.last;
  }
  if (FEATURE_AD_COOKIES) isOfSession = isArrival || !isSessionOver;
  saveTouch();
  return isCampaign;
}

/** Forget every arrival but this one. */
export function restartTouch() {
  saveRecord(RECORD, {}, false);
  noteArrival(true);
}

/** The arrivals with the ad cookies of now, as ad scripts may set theirs long after this script has run. */
export function currentTouch() {
  if (FEATURE_AD_COOKIES && isOfSession) readAdCookies();
  return touch;
}

function readAdCookies() {
  for (const name of AD_COOKIES) {
    const value = truncate(readCookie(name));
    if (value) touch.last.cookies[name] = value;
  }
}

/** Store the arrivals, as far as the visitor allows it. */
export function saveTouch() {
  const { first, last, last_non_direct } = currentTouch();
  const arrivals = { last, first: first !== last && first, last_non_direct: last_non_direct !== last && last_non_direct };
  saveRecord(RECORD, asAllowed(arrivals), allowsAnalytics());
}
