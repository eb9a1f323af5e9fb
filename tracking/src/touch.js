/** Arrivals: what the address said, the ad cookies, where the visitor came from; the first, the last, the last non-direct. */
import { allows } from './consent.js';
import { cookieDomain, escape, forget, keep, readCookie, recall, unescape } from './storage.js';
import { cut, iso, quietly } from './text.js';

const RECORD = '_elt';
const MAX_URL = 4096;
const MAX_RECORD = 3_700;
const UTM = /^utm_(source|medium|campaign|term|content|id|source_platform|creative_format|marketing_tactic)$/;
const CLICK_ID =
  /^(gclid|gclsrc|dclid|gbraid|wbraid|gad_source|gad_campaignid|fbclid|msclkid|twclid|li_fat_id|igshid|ttclid|rdt_cid|epik|qclid|sccid|irclid|mc_cid|ctwa_clid|oppref)$/i;
const AD_COOKIES = ['_fbc', '_fbp', '_ga', 'hubspotutk', 'rdtrk'];

/**
 * @typedef {object} TouchPoint
 * @property {string} at RFC 3339
 * @property {string} landing_url
 * @property {string} [referrer]
 * @property {Record<string, string>} [params]
 * @property {Record<string, string>} [cookies]
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
export function campaignOf(url) {
  /** @type {Record<string, string>} */
  const params = {};
  for (const pair of url.split('#')[0].split('?').slice(1).join('?').split('&')) {
    const at = pair.indexOf('=');
    const name = (quietly(() => decodeURIComponent(pair.slice(0, at))) || '').toLowerCase();
    const isUtm = UTM.test(name);
    if (at < 1 || name in params || !(isUtm || CLICK_ID.test(name))) continue;
    const raw = isUtm ? pair.slice(at + 1).replace(/\+/g, ' ') : pair.slice(at + 1);
    const value = quietly(() => decodeURIComponent(raw)) || raw;
    if (value) params[name] = cut(value, 2048);
  }
  return params;
}

/** The address without click ids. @param {string} url */
export function withoutClickIds(url) {
  const [address, ...fragment] = url.split('#');
  const at = address.indexOf('?');
  if (at < 0) return url;
  const query = queryWithoutClickIds(address.slice(at + 1));
  return [address.slice(0, at) + (query && '?' + query), ...fragment].join('#');
}

/** @param {string} query */
export function queryWithoutClickIds(query) {
  return query
    .split('&')
    .filter((pair) => !CLICK_ID.test(quietly(() => decodeURIComponent(pair.split('=')[0])) || ''))
    .join('&');
}

function adCookies() {
  /** @type {Record<string, string>} */
  const cookies = {};
  for (const name of AD_COOKIES) {
    const value = cut(readCookie(name), 2048);
    if (value) cookies[name] = value;
  }
  return cookies;
}

/** Whether an address belongs to this site: same host, or the same registrable domain. @param {string} url */
function isOwn(url) {
  const host = quietly(() => new URL(url).hostname) || '';
  const domain = cookieDomain();
  return host === location.hostname || (!!domain && (host === domain || host.endsWith('.' + domain)));
}

/**
 * Note how the visitor came to this page. Called before anything else on the page can change the address.
 * @param {boolean} isSessionOver
 * @returns {boolean} whether it is a new campaign or click id, which opens a new session
 */
export function arrive(isSessionOver) {
  touch = decode(recall(RECORD));
  const params = campaignOf(location.href);
  const external = document.referrer && !isOwn(document.referrer) ? document.referrer : '';
  const last = touch.last;
  const hasCampaign = Object.keys(params).length > 0;
  const isNewCampaign = hasCampaign && !(last && sameCampaign(params, last.params || {}));
  const isDirect = !hasCampaign && !external;
  const isNew =
    !last || isNewCampaign || (isSessionOver ? hasCampaign || !isOwn(document.referrer) : external && external !== last.referrer);
  if (isNew) {
    arrival = {
      at: iso(Date.now()),
      landing_url: cut(location.href, MAX_URL),
      referrer: cut(document.referrer, MAX_URL),
      params,
      cookies: adCookies(),
    };
    touch.first = touch.first || arrival;
    touch.last = arrival;
    if (!isDirect) touch.last_non_direct = arrival;
  } else if (!isSessionOver) {
    arrival = last;
  }
  store();
  return isNewCampaign;
}

/** @param {Record<string, string>} a @param {Record<string, string>} b */
function sameCampaign(a, b) {
  const [left, right] = [a, b].map((params) => JSON.stringify(allows('marketing') ? params : utmOf(params)));
  return left === right;
}

/** @param {Record<string, string>} params */
const utmOf = (params) => Object.fromEntries(Object.entries(params).filter(([name]) => UTM.test(name)));

/** Forget every arrival but this one. */
export function arriveAsNew() {
  forget(RECORD);
  keep(RECORD, '', false);
  arrive(true);
}

/** Write the arrivals down, as far as the visitor allows. */
export function store() {
  if (!allows('analytics')) return forget(RECORD);
  const points = allowedTouch();
  const shortened = [points, mapPoints(points, shorten), mapPoints(points, (p) => ({ ...shorten(p), cookies: {} }))];
  const texts = shortened.map(encode);
  keep(RECORD, texts.find((text) => text.length < MAX_RECORD) || texts[0], true);
}

/**
 * The arrivals as they may be sent now. Ad scripts set their cookies after ours has run, so they are read again here.
 * @returns {Touch}
 */
export function currentTouch() {
  if (arrival) Object.assign(arrival.cookies || {}, adCookies());
  return touch;
}

export const allowedTouch = () => (allows('marketing') ? currentTouch() : mapPoints(currentTouch(), withoutMarketing));

/** @param {TouchPoint} point @returns {TouchPoint} */
export function withoutMarketing(point) {
  const landing_url = withoutClickIds(point.landing_url);
  return {
    at: point.at,
    landing_url,
    referrer: withoutClickIds(point.referrer || ''),
    params: utmOf(point.params || {}),
  };
}

/** @param {Touch} points @param {(point: TouchPoint) => TouchPoint} change @returns {Touch} */
export function mapPoints(points, change) {
  /** @type {Touch} */
  const mapped = {};
  for (const [name, point] of Object.entries(points)) mapped[/** @type {keyof Touch} */ (name)] = change(point);
  return mapped;
}

/** The same arrival with nothing in its address but the campaign. @param {TouchPoint} point @returns {TouchPoint} */
function shorten(point) {
  const [address, ...query] = point.landing_url.split('#')[0].split('?');
  const known = query.join('?').split('&').filter((pair) => Object.keys(campaignOf('?' + pair)).length);
  return {
    ...point,
    landing_url: cut(address, 300) + (known.length ? '?' + known.join('&') : ''),
    referrer: cut((point.referrer || '').split('?')[0], 200),
  };
}

/** `012^at|url|referrer|cookies^…`: which of the points is first, last, last non-direct; params are in the address. */
const NAMES = /** @type {(keyof Touch)[]} */ (['first', 'last', 'last_non_direct']);

/** @param {Touch} points */
function encode(points) {
  /** @type {string[]} */
  const texts = [];
  const places = NAMES.map((name) => {
    const point = points[name];
    if (!point) return '-';
    const cookies = Object.entries(point.cookies || {}).flat();
    const text = [point.at, point.landing_url, point.referrer || '', ...cookies].map(escape).join('|');
    return texts.includes(text) ? texts.indexOf(text) : texts.push(text) - 1;
  });
  return [places.join(''), ...texts].join('^');
}

/** @param {string} record @returns {Touch} */
function decode(record) {
  const [places, ...texts] = record.split('^');
  const points = texts.map((text) => {
    const [at, landing_url, referrer, ...rest] = text.split('|').map(unescape);
    /** @type {Record<string, string>} */
    const cookies = {};
    for (let i = 0; i + 1 < rest.length; i += 2) cookies[rest[i]] = rest[i + 1];
    return { at, landing_url, referrer, params: campaignOf(landing_url || ''), cookies };
  });
  /** @type {Touch} */
  const found = {};
  NAMES.forEach((name, i) => {
    const point = points[+places[i]];
    if (point && !Number.isNaN(Date.parse(point.at))) found[name] = point;
  });
  return found;
}
