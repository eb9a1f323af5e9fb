/** `echolead('reset')`: the next visitor in this browser is another person. */
import { currentVisit } from '../identity.js';
import { restartTouch } from '../touch.js';
import { resetChatwoot } from './chatwoot.js';
import { askCollector } from './collector-id.js';
import { forgetUser } from './user.js';

export function reset() {
  currentVisit({ tracking_id: '', active: 0, reset: true });
  if (FEATURE_COLLECTOR_ID) askCollector();
  forgetUser();
  restartTouch();
  if (FEATURE_CHAT) resetChatwoot();
}
