/** EchoLead's browser script. The page calls `window.echolead(command, …)`; no error of the script reaches the page. */
import { commands } from './commands.js';
import { readDecision } from './consent.js';
import { watchAttention } from './features/attention.js';
import { startChatwoot } from './features/chatwoot.js';
import { watchClicks } from './features/clicks.js';
import { askIfDue } from './features/collector-id.js';
import { watchFormStarts } from './features/form-starts.js';
import { receiveVisitor, watchHandover } from './features/handover.js';
import { watchHiddenFields } from './features/hidden-fields.js';
import { watchUser } from './features/user.js';
import { watchForms } from './forms.js';
import { currentVisit, isSessionOver } from './identity.js';
import { watchPages } from './pages.js';
import { listen, quietly } from './quietly.js';
import { noteArrival } from './touch.js';
import { startTransport } from './transport.js';

const page = /** @type {any} */ (window);

function start() {
  const { q: calls = [], v: version } = page.echolead;
  if (version) return; // the tag is on the page twice

  readDecision();
  if (FEATURE_HANDOVER) receiveVisitor();
  const isNewCampaign = noteArrival(isSessionOver());
  currentVisit(isNewCampaign && { active: 0 });
  if (FEATURE_COLLECTOR_ID) askIfDue();
  startTransport();

  /** @param {string} name @param {...any} args */
  page.echolead = (name, ...args) => quietly(() => commands[name](...args));
  page.echolead.v = SCRIPT_VERSION;

  // The features first: the first page view is an event for them. One that the page breaks does not stop the others.
  if (FEATURE_USER) quietly(watchUser);
  if (FEATURE_ATTENTION) quietly(watchAttention);
  if (FEATURE_ATTENTION) quietly(watchClicks);
  if (FEATURE_FIELDS) quietly(watchHiddenFields);
  if (FEATURE_FIELDS) quietly(watchFormStarts);
  if (FEATURE_HANDOVER) quietly(watchHandover);
  if (FEATURE_CHAT) quietly(startChatwoot);
  quietly(watchForms);
  watchPages();
  for (const call of calls) page.echolead(...call);
}

page.echolead ||= (/** @type {any[]} */ ...call) => (page.echolead.q ||= []).push(call);
if (/** @type {any} */ (document).prerendering) listen(['prerenderingchange'], start);
else quietly(start);
