/**
 * How long changes took: over the day, and how they spread. Both directions, in their colours, in words as well.
 * @import { Curve, Direction, Latency, Stats } from './shapes.ts'
 */
import uPlot from './uplot.js';
import { dayWords, emptyWords, spreadWords, stepWords } from './chart-words.js';
import { byId, fill, h, setText } from './dom.js';
import { duration, hourOfDay, zoneInUse } from './format.js';
import { say } from './language.js';

const height = 190;
/** @type {readonly Direction[]} */
const both = ['booking_to_outlook', 'outlook_to_booking'];
/** Nothing is drawn below it: a log scale has no zero. */
const floorMs = 1;
/** The chart is as wide as so many steps at least. */
const leastSteps = 8;

/** A colour of the page, as a canvas can draw it. @param {string} name */
function colour(name) {
  const probe = h('span', { hidden: true });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export function createCharts() {
  const dayPlace = byId('day', HTMLDivElement);
  const histogramPlace = byId('histogram', HTMLDivElement);
  const dayTitle = byId('day-title', HTMLHeadingElement);
  const dayCaption = byId('day-caption', HTMLParagraphElement);
  /** @type {uPlot[]} */
  let plots = [];
  /** @type {Latency | null} */
  let latency = null;
  let shown = '';

  function draw() {
    for (const plot of plots) plot.destroy();
    plots = [];
    fill(dayPlace);
    fill(histogramPlace);
    if (latency === null) return;
    setText(dayCaption, dayWords(latency));
    setText(byId('histogram-caption', HTMLParagraphElement), spreadWords(latency));
    if (both.every((direction) => latency?.directions[direction].count === 0)) {
      for (const place of [dayPlace, histogramPlace])
        fill(place, h('p', { class: 'empty' }, emptyWords(latency)));
      return;
    }
    plots = [dayPlot(latency), histogramPlot(latency)];
  }

  /** @param {Latency} of */
  function dayPlot(of) {
    const [out, back] = both.map((direction) => of.directions[direction].curve);
    if (out === undefined || back === undefined) throw new Error('a direction is missing');
    const log = (/** @type {number | null} */ ms) => (ms === null ? null : Math.max(floorMs, ms));
    /** @type {uPlot.AlignedData} */
    const points = [
      out.map(({ at }) => Date.parse(at) / 1_000),
      out.map(({ p50_ms: ms }) => log(ms)),
      back.map(({ p50_ms: ms }) => log(ms)),
      out.map(({ p95_ms: ms }) => log(ms)),
      back.map(({ p95_ms: ms }) => log(ms)),
    ];
    const line = (/** @type {string} */ name, /** @type {boolean} */ thin) => ({
      stroke: colour(name),
      width: thin ? 1 : 2,
      ...(thin ? { dash: [3, 3] } : {}),
      points: { show: !thin, filter: alone, size: 4, width: 0, fill: colour(name) },
    });
    return new uPlot(
      {
        ...frame(dayPlace),
        tzDate: (at) => uPlot.tzDate(new Date(at * 1_000), zoneInUse() ?? 'UTC'),
        scales: { x: { time: true, range: dayRange(of) }, y: { distr: 3, log: 10, range: logRange } },
        axes: [
          axis({
            values: (/** @type {any} */ _, splits) => splits.map((at) => hourOfDay(at * 1_000)),
            space: 60,
          }),
          axis({
            values: (/** @type {any} */ _, splits) => splits.map((ms) => (ms === null ? '' : short(ms))),
            filter: decades,
            grid: { filter: decades },
            size: 52,
          }),
        ],
        series: [{}, line('out', false), line('in', false), line('out', true), line('in', true)],
        cursor: { y: false, points: { show: false } },
        legend: { show: false },
        hooks: {
          setCursor: [(plot) => setText(dayCaption, stepWords(of, plot.cursor.idx ?? null) ?? dayWords(of))],
        },
      },
      points,
      dayPlace,
    );
  }

  /** @param {Latency} of */
  function histogramPlot(of) {
    const [out, back] = both.map((direction) => of.directions[direction].histogram);
    if (out === undefined || back === undefined) throw new Error('a direction is missing');
    const bars = (/** @type {string} */ name, /** @type {-1 | 1} */ align) => ({
      stroke: colour(name),
      fill: colour(name),
      width: 0,
      points: { show: false },
      ...(uPlot.paths.bars === undefined ? {} : { paths: uPlot.paths.bars({ size: [0.42, 40], align }) }),
    });
    const labels = out.map(({ le_ms: ms }) =>
      ms === null ? say('chart.more') : short(ms).replace(' ', '\u202f'),
    );
    return new uPlot(
      {
        ...frame(histogramPlace),
        scales: {
          x: { time: false, range: [-0.6, out.length - 0.4] },
          y: { range: (_plot, _min, most) => [0, Math.max(1, most * 1.08)] },
        },
        axes: [
          axis({
            splits: () => out.map((_, at) => at),
            values: (/** @type {any} */ plot, splits) =>
              splits.map((at) => (plot.width < 620 && at % 2 === 1 ? '' : (labels[at] ?? ''))),
            space: 1,
            grid: { show: false },
          }),
          axis({
            size: 44,
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000],
            values: (/** @type {any} */ _, splits) => splits.map((n) => (n % 1 === 0 ? String(n) : '')),
          }),
        ],
        series: [{}, bars('out', -1), bars('in', 1)],
        cursor: { show: false },
        legend: { show: false },
      },
      [out.map((_, at) => at), out.map(({ count }) => count), back.map(({ count }) => count)],
      histogramPlace,
    );
  }

  const resized = new ResizeObserver(() => {
    for (const plot of plots) {
      const width = plot.root.parentElement?.clientWidth ?? 0;
      if (width > 16 && Math.abs(width - 16 - plot.width) > 1) plot.setSize({ width: width - 16, height });
    }
  });
  resized.observe(dayPlace);
  resized.observe(histogramPlace);

  return {
    /**
     * The day; while nothing is older than an hour, that hour, which would be a single step of the day, from the start of the
     * daemon on.
     * @param {Latency | null} day
     * @param {Latency | null} hour
     * @param {Stats | null} stats
     */
    show(day, hour, stats) {
      const young = day !== null && hour !== null && isYoung(day);
      const startedAt = stats === null ? null : Date.parse(stats.started_at);
      const now = young ? begun(hour, startedAt) : day;
      const text = JSON.stringify(now);
      if (text === shown) return;
      shown = text;
      latency = now;
      const first = now?.directions.booking_to_outlook.curve[0];
      const next = now?.directions.booking_to_outlook.curve[1];
      // the daemon began within the first step that is shown
      const begins =
        startedAt !== null &&
        first !== undefined &&
        startedAt > Date.parse(first.at) &&
        (next === undefined || startedAt < Date.parse(next.at));
      const from = !young ? undefined : begins ? startedAt : first?.at;
      setText(dayTitle, from === undefined ? say('day.title') : say('day.since', { time: hourOfDay(from) }));
      draw();
    },
    /** Draws again, in the colours of now. */
    recolour: draw,
  };
}

/** A point without neighbours would be no line: it is drawn as a dot. @type {uPlot.Series.Points.Filter} */
const alone = (plot, series) => {
  const values = plot.data[series] ?? [];
  return Array.from(values, (_value, at) => at).filter(
    (at) => values[at] != null && values[at - 1] == null && values[at + 1] == null,
  );
};

/** Of a log scale only 10, 100, 1000 …: the rest is clutter. @type {uPlot.Axis.Filter} */
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

/** Without a decimal that says nothing. @param {number} ms */
const short = (ms) => duration(ms).replace(/[.,]0(?!\d)/, '');

/** Whole decades around what there is. @type {uPlot.Scale.Range} */
const logRange = (_plot, least, most) => [
  10 ** Math.floor(Math.log10(Math.max(floorMs, least ?? 10))),
  10 ** Math.ceil(Math.log10(Math.max(100, (most ?? 100) + 1))),
];

/** Something was done, and all of it within the last hour. @param {Latency} day */
function isYoung({ step_seconds: step, directions }) {
  const before = -Math.ceil(3_600 / step);
  const counts = both.map((direction) => directions[direction].curve.map(({ count }) => count));
  const sum = (/** @type {number[]} */ of) => of.reduce((total, count) => total + count, 0);
  return sum(counts.flat()) > 0 && sum(counts.flatMap((of) => of.slice(0, before))) === 0;
}

/**
 * From the start of the daemon on, or from the first change if that was before.
 * @param {Latency} hour
 * @param {number | null} startedAt
 * @returns {Latency}
 */
function begun(hour, startedAt) {
  const { booking_to_outlook: out, outlook_to_booking: back } = hour.directions;
  const first = out.curve.findIndex(({ count }, at) => count > 0 || (back.curve[at]?.count ?? 0) > 0);
  const started = out.curve.findLastIndex(({ at }) => startedAt === null || Date.parse(at) <= startedAt);
  const from = Math.max(0, Math.min(first, started));
  const cut = (/** @type {Curve} */ of) => ({ ...of, curve: of.curve.slice(from) });
  return { ...hour, directions: { booking_to_outlook: cut(out), outlook_to_booking: cut(back) } };
}

/** From the first step to the last, and further while there are few. @param {Latency} of @returns {uPlot.Range.MinMax} */
function dayRange({ step_seconds: step, directions }) {
  const { curve } = directions.booking_to_outlook;
  const from = Date.parse(curve[0]?.at ?? '') / 1_000;
  return [from, from + Math.max(curve.length - 1, leastSteps) * step];
}
