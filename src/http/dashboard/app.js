/**
 * The page: connects the parts, polls the API and shows the answers.
 * @import { Known, Stats } from './shapes.ts'
 */
import { showAccess } from './access.js';
import { createAddress } from './address.js';
import { ApiError, get } from './api.js';
import { createBrake } from './brake.js';
import { createCalendar } from './calendar.js';
import { createCharts } from './charts.js';
import { createConflicts } from './conflicts.js';
import { notice } from './dialogs.js';
import { byId } from './dom.js';
import { createExplain } from './explain.js';
import { createFeed } from './feed.js';
import { useZone, zoneInUse } from './format.js';
import { showFigures } from './figures.js';
import { translated } from './translate.js';
import { say } from './language.js';
import { createLanguageSwitch } from './language-switch.js';
import { createLive } from './live.js';
import { createPlan } from './plan.js';
import { createQueue } from './queue.js';
import { createReading, source } from './reading.js';
import { createRoomSheet } from './room-sheet.js';
import { createRooms } from './rooms.js';
import { createSearch } from './search.js';
import { showSentence } from './sentence.js';
import { createTheme } from './theme.js';
import { createTrouble } from './trouble.js';
import { createUndo } from './undo.js';

/** @type {Known} */
const known = {
  stats: null,
  rooms: [],
  roomsRead: false,
  ready: null,
  errors: { total: 0, mappings: [] },
  pending: { total: 0, items: [] },
  conflicts: null,
  alerts: null,
  latency: null,
  hour: null,
  lines: [],
  removals: new Map(),
  trouble: null,
  answeredAt: 0,
};

/** Resolved by the first answer of /stats. @type {PromiseWithResolvers<void>} */
const statsRead = Promise.withResolvers();
useZone(document.documentElement.dataset['zone'] ?? 'UTC');

const details = createExplain({ act });
const roomSheet = createRoomSheet({
  act,
  calendar: (resource) => address.go(`#/calendar/${resource}/week/`),
  explain: details.openMapping,
  sides: () => known.stats,
});
const go = (/** @type {string} */ hash) => address.go(hash);
const undo = createUndo({
  act,
  go,
  rooms: () => known.rooms,
  zone: () => zoneInUse() ?? 'UTC',
});
const address = createAddress({
  ...details,
  ...roomSheet,
  ...createSearch({ go }),
  ...createCalendar({ go }),
  ...undo,
  // its form is filled only once, so it needs the rooms first
  openUndo: () =>
    void readRooms().then(() => {
      if (location.hash === '#/undo') undo.openUndo();
    }),
});
const openMapping = (/** @type {number} */ id) => address.go(`#/mapping/${id}`);
const openRoom = (/** @type {number} */ resource) => address.go(`#/room/${resource}`);
const rooms = createRooms({ open: openRoom });
const feed = createFeed({ explain: openMapping, openRoom });
const brake = createBrake({ act, explain: openMapping });
const conflicts = createConflicts({ act, explain: openMapping });
const trouble = createTrouble({ act, explain: openMapping, openRoom });
const queue = createQueue({ act, explain: openMapping });
const plan = createPlan({ act });
const charts = createCharts();
createTheme(() => charts.recolour());
createLanguageSwitch();
showAccess();
byId('undo-open', HTMLButtonElement).addEventListener('click', () => address.go('#/undo'));

const roomsSource = source(5_000, async () => {
  known.rooms = (await get('/rooms')).rooms;
  known.roomsRead = true;
  // many rooms are a long answer, so it is read less often
  roomsSource.gapMs = known.rooms.length > 200 ? 10_000 : 500;
  await readHeld();
});

const sources = {
  stats: source(3_000, async () => {
    /** @type {Stats} */
    const stats = await get('/stats');
    known.stats = stats;
    useZone(stats.timezone);
    statsRead.resolve();
  }),
  lines: source(5_000, async () => {
    known.lines = (await get('/log?limit=120')).lines;
    feed.show(known.lines);
  }),
  rooms: roomsSource,
  errors: source(5_000, async () => void (known.errors = await get('/mappings?status=error&limit=50'))),
  pending: source(5_000, async () => void (known.pending = await get('/sync/pending-items?limit=20'))),
  ready: source(10_000, async () => void (known.ready = await get('/ready'))),
  conflicts: source(
    5_000,
    async () => void (known.conflicts = (await optional('/conflicts'))?.conflicts ?? null),
  ),
  alerts: source(5_000, async () => void (known.alerts = (await optional('/alerts'))?.alerts ?? null)),
  hour: source(
    15_000,
    async () => {
      known.hour = await get('/stats/latency?hours=1');
      charts.show(known.latency, known.hour, known.stats);
    },
    2_000,
  ),
  latency: source(30_000, async () => {
    known.latency = await get('/stats/latency?hours=24');
    charts.show(known.latency, known.hour, known.stats);
  }),
  sheet: source(5_000, async () => {
    await Promise.all([details.refresh(), roomSheet.refresh()]);
  }),
};

const reading = createReading({
  sources,
  first: 'stats',
  isAway: () => known.stats === null || known.trouble !== null,
  onRead(name) {
    known.answeredAt = Date.now();
    if (name === 'stats') known.trouble = null;
    show();
  },
  onFail(name, error) {
    // only a failure of /stats concerns the whole page
    if (name !== 'stats') return;
    const kind = error.status === 0 ? 'daemon' : error.status === 401 ? 'signed-out' : 'api';
    known.trouble = {
      kind,
      error: error.message,
      hint: error.hint,
      since: known.trouble?.since ?? Date.now(),
    };
    show();
  },
});

/** Null if the endpoint does not exist (404): that part of the page is not shown. @param {string} path */
async function optional(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Reads the rooms if that has not been done, also while the page reads nothing else. Without an answer there are none. */
async function readRooms() {
  try {
    if (!known.roomsRead) await roomsSource.read();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

async function readHeld() {
  const held = known.rooms.filter((room) => room.health === 'held').slice(0, 20);
  const lists = await Promise.all(
    held.map(
      async ({ resource_id: id }) => /** @type {const} */ ([id, (await get(`/rooms/${id}`)).removals]),
    ),
  );
  known.removals = new Map(lists);
}

/**
 * Runs an action of the user, shows its result and reads everything again.
 * @param {() => Promise<any>} work
 */
async function act(work) {
  try {
    const answer = await work();
    notice(translated(String(answer?.message ?? say('done'))));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice(`${error.message} ${error.hint}`.trim());
  }
  reading.refresh();
}

function show() {
  showSentence(known);
  showFigures(known);
  if (known.roomsRead) rooms.show(known.rooms, known.stats);
  queue.show(known);
  plan.show(known);
  const count =
    brake.show(known.rooms, known.removals) +
    conflicts.show(known.conflicts) +
    trouble.showErrors(known.errors, known.rooms) +
    trouble.showAlerts(known.alerts);
  byId('trouble', HTMLElement).hidden = count === 0;
}

function tick() {
  if (document.hidden) return;
  reading.tick();
  showSentence(known);
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) reading.refresh();
});
void statsRead.promise.then(() => {
  reading.tick();
  createLive({
    onFact(fact) {
      feed.add(fact);
      reading.refreshSoon(
        'stats',
        'lines',
        'rooms',
        'errors',
        'pending',
        'conflicts',
        'alerts',
        'hour',
        'sheet',
      );
      // the first changes of a day are shown at once; later ones hardly change its curve
      if ((known.latency?.directions.booking_to_outlook.count ?? 0) < 20) reading.refreshSoon('latency');
    },
    onOpen: () => reading.refresh(),
  });
});
setInterval(tick, 250);
tick();
address.route();
