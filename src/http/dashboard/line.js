/** The live line: facts as the daemon tells them. Closed while the page is hidden, opened again whatever happened. */
import { byId, setText } from './dom.js';
import { say } from './language.js';

const comeBackMs = 3_000;
/** What a person may want to see; what schedules do is not among it. */
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
export function createLine({ onFact, onOpen }) {
  const sign = byId('line', HTMLSpanElement);
  /** @type {EventSource | null} */
  let source = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;

  /** @param {'on' | 'lost' | 'off'} state @param {string} text */
  function tell(state, text) {
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
      tell('on', say('line.on'));
      onOpen();
    });
    line.addEventListener('error', () => {
      tell('lost', say('line.lost'));
      // after a refusal the browser gives up by itself
      if (line.readyState === EventSource.CLOSED && line === source) retry = setTimeout(open, comeBackMs);
    });
    const hear = (/** @type {MessageEvent<string>} */ { data }) => {
      onFact(JSON.parse(data));
    };
    for (const name of facts) line.addEventListener(name, hear);
  }

  document.addEventListener('visibilitychange', open);
  open();
}
