/**
 * The two charts as uPlot draws them: latency over the day, and its histogram.
 * @import { Latency } from './shapes.ts'
 */
import uPlot from './uplot.js';
import { stepWords } from './chart-words.js';
import { h } from './dom.js';
import { duration, hourOfDay, zoneInUse } from './format.js';
import { say } from './language.js';

/** Height of a chart in pixels. */
export const height = 190;
/** Lower bound of the log scale, which has no zero. */
const floorMs = 1;
/** The time axis has room for at least this many steps. */
const leastSteps = 8;
/** Below this width every other label of the histogram is left out. */
const narrow = 620;

/** A colour of the page as a canvas needs it. @param {string} name */
function colour(name) {
  const probe = h('span', { hidden: true });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/**
 * Median and 95th percentile over time.
 * @param {HTMLElement} place
 * @param {Latency} latency
 * @param {(text: string | null) => void} onStep the text of the step under the pointer; null: none
 */
export function dayPlot(place, latency, onStep) {
  const [out, back] = bothOf(latency, 'curve');
  const log = (/** @type {number | null} */ ms) => (ms === null ? null : Math.max(floorMs, ms));
  /** @type {uPlot.AlignedData} */
  const points = [
    out.map(({ at }) => Date.parse(at) / 1_000),
    out.map(({ p50_ms: ms }) => log(ms)),
    back.map(({ p50_ms: ms }) => log(ms)),
    out.map(({ p95_ms: ms }) => log(ms)),
    back.map(({ p95_ms: ms }) => log(ms)),
  ];
  const options = {
    ...frame(place),
    tzDate: (/** @type {number} */ at) => uPlot.tzDate(new Date(at * 1_000), zoneInUse() ?? 'UTC'),
    scales: { x: { time: true, range: dayRange(latency) }, y: logScale },
    axes: [timeAxis(), logAxis()],
    series: [{}, line('out', false), line('in', false), line('out', true), line('in', true)],
    cursor: { y: false, points: { show: false } },
    legend: { show: false },
    hooks: {
      setCursor: [(/** @type {uPlot} */ plot) => onStep(stepWords(latency, plot.cursor.idx ?? null))],
    },
  };
  return new uPlot(options, points, place);
}

/**
 * How many changes took how long.
 * @param {HTMLElement} place
 * @param {Latency} latency
 */
export function histogramPlot(place, latency) {
  const [out, back] = bothOf(latency, 'histogram');
  const labels = out.map(({ le_ms: ms }) =>
    ms === null ? say('chart.more') : short(ms).replace(' ', '\u202f'),
  );
  /** @type {uPlot.Options} */
  const options = {
    ...frame(place),
    scales: {
      x: { time: false, range: [-0.6, out.length - 0.4] },
      y: { range: (_plot, _min, most) => [0, Math.max(1, most * 1.08)] },
    },
    axes: [bucketAxis(labels), countAxis()],
    series: [{}, bars('out', -1), bars('in', 1)],
    cursor: { show: false },
    legend: { show: false },
  };
  const counts = [out, back].map((buckets) => buckets.map(({ count }) => count));
  return new uPlot(options, [out.map((_, at) => at), ...counts], place);
}

/**
 * @template {'curve' | 'histogram'} Part
 * @param {Latency} latency
 * @param {Part} part
 */
const bothOf = ({ directions }, part) =>
  /** @type {const} */ ([directions.booking_to_outlook[part], directions.outlook_to_booking[part]]);

/** @param {string} name @param {boolean} thin the 95th percentile: thin and dashed @returns {uPlot.Series} */
const line = (name, thin) => ({
  stroke: colour(name),
  width: thin ? 1 : 2,
  ...(thin ? { dash: [3, 3] } : {}),
  points: { show: !thin, filter: alone, size: 4, width: 0, fill: colour(name) },
});

/** @param {string} name @param {-1 | 1} align @returns {uPlot.Series} */
const bars = (name, align) => ({
  stroke: colour(name),
  fill: colour(name),
  width: 0,
  points: { show: false },
  ...(uPlot.paths.bars === undefined ? {} : { paths: uPlot.paths.bars({ size: [0.42, 40], align }) }),
});

const timeAxis = () =>
  axis({ values: (_plot, splits) => splits.map((at) => hourOfDay(at * 1_000)), space: 60 });

const logAxis = () =>
  axis({
    values: (_plot, splits) => splits.map((ms) => (ms === null ? '' : short(ms))),
    filter: decades,
    grid: { filter: decades },
    size: 52,
  });

/** @param {readonly string[]} labels */
const bucketAxis = (labels) =>
  axis({
    splits: () => labels.map((_, at) => at),
    values: (plot, splits) =>
      splits.map((at) => (plot.width < narrow && at % 2 === 1 ? '' : (labels[at] ?? ''))),
    space: 1,
    grid: { show: false },
  });

const countAxis = () =>
  axis({
    size: 44,
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000],
    values: (_plot, splits) => splits.map((n) => (n % 1 === 0 ? String(n) : '')),
  });

/** A point without neighbours has no line and is drawn as a dot. @type {uPlot.Series.Points.Filter} */
const alone = (plot, series) => {
  const values = plot.data[series] ?? [];
  return Array.from(values, (_value, at) => at).filter(
    (at) => values[at] != null && values[at - 1] == null && values[at + 1] == null,
  );
};

/** Labels only 10, 100, 1000 … of a log scale. @type {uPlot.Axis.Filter} */
const decades = (_plot, splits) => splits.map((ms) => (Math.log10(ms) % 1 === 0 ? ms : null));

/** @param {HTMLElement} place */
const frame = (place) => ({
  width: Math.max(200, place.clientWidth - 16),
  height,
  padding: /** @type {uPlot.Padding} */ ([12, 16, 0, 0]),
});

/** @param {uPlot.Axis} more @returns {uPlot.Axis} */
const axis = (more) => ({
  stroke: colour('muted'),
  font: '11px system-ui, sans-serif',
  ticks: { show: false },
  gap: 6,
  size: 28,
  ...more,
  grid: { stroke: colour('line'), width: 1, ...more.grid },
});

/** Without the decimal 0. @param {number} ms */
const short = (ms) => duration(ms).replace(/[.,]0(?!\d)/, '');

/** Whole decades around the data. @type {uPlot.Scale.Range} */
const logRange = (_plot, least, most) => [
  10 ** Math.floor(Math.log10(Math.max(floorMs, least ?? 10))),
  10 ** Math.ceil(Math.log10(Math.max(100, (most ?? 100) + 1))),
];

/** @type {uPlot.Scale} */
const logScale = { distr: 3, log: 10, range: logRange };

/** From the first step to the last, or further while there are few steps. @param {Latency} of @returns {uPlot.Range.MinMax} */
function dayRange({ step_seconds: step, directions }) {
  const { curve } = directions.booking_to_outlook;
  const from = Date.parse(curve[0]?.at ?? '') / 1_000;
  return [from, from + Math.max(curve.length - 1, leastSteps) * step];
}
