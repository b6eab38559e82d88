/** Live facts of the daemon as server-sent events. Closed while the page is hidden; opened again after any failure. */
import { byId, setText } from './dom.js';
import { say } from './language.js';

const reconnectMs = 3_000;
/** Facts of interest to users; without those of schedules. */
const facts = [
  'pushed',
  'pulled',
  'item-delayed',
  'item-parked',
  'conflict',
  'plan-confirmed',
  'room-resting',
  'start-held',
  'room-held',
  'room-refused',
  'room-well',
  'room-baselined',
  'room-reconciled',
  'brake-held',
  'outage',
  'outage-over',
  'listening',
  'lease-lost',
  'capture-missed',
  'capture-broken',
  'alert',
  'started',
  'bug',
  'missed',
];

/** @param {{ onFact: (fact: Record<string, any>) => void, onOpen: () => void }} options */
export function createLive({ onFact, onOpen }) {
  const sign = byId('line', HTMLSpanElement);
  /** @type {EventSource | null} */
  let source = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;

  /** @param {'on' | 'lost' | 'off'} state @param {string} text */
  function showState(state, text) {
    sign.dataset['state'] = state;
    setText(sign, text);
  }

  function open() {
    clearTimeout(retry);
    source?.close();
    source = null;
    if (document.hidden) return;
    const line = (source = new EventSource('/live'));
    line.addEventListener('open', () => {
      showState('on', say('line.on'));
      onOpen();
    });
    line.addEventListener('error', () => {
      showState('lost', say('line.lost'));
      // after an error status the browser does not reconnect by itself
      if (line.readyState === EventSource.CLOSED && line === source) retry = setTimeout(open, reconnectMs);
    });
    const receive = (/** @type {MessageEvent<string>} */ { data }) => {
      onFact(JSON.parse(data));
    };
    for (const name of facts) line.addEventListener(name, receive);
  }

  document.addEventListener('visibilitychange', open);
  open();
}
