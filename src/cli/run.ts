/**
 * The command line. Exit codes: 0 success; 1 failure, or problems found by `doctor` or `adapter check`; 2 `plan`, `undo`: the
 * plan is not empty; 64 invalid arguments or settings (EX_USAGE of sysexits.h); 75 the database or Graph is unavailable, try
 * again later (EX_TEMPFAIL).
 */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { Invalid, Retryable, messageOf } from '../errors.ts';
import { sayError, sayJson } from './terminal.ts';

const exitCodes = `
Exit codes: 0 success, 1 failure or problems found, 2 a plan that is not empty, 64 invalid arguments or settings, 75 try again later.
Settings come from the environment and .env; see .env.example. All commands: docs/cli.md.`;

/** Runs one command line and returns the exit code; never rejects. `argv`: the arguments without node and the script. */
export async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const [first] = argv;
  const named =
    first !== undefined && (!first.startsWith('-') || ['-h', '--help', '-V', '--version'].includes(first));
  let code = 0;
  const program = createProgram(signal, (answered) => (code = answered));
  try {
    await program.parseAsync([...(named ? argv : ['serve', ...argv])], { from: 'user' });
    return code;
  } catch (error) {
    // commander has printed the message
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (signal.aborted && untilStopped.has(named ? first : 'serve')) return 0;
    if (signal.aborted) return cutOff(argv, signal.reason);
    if (argv.includes('--json')) sayJson(asJson(error));
    sayError(explain(error));
    if (error instanceof Invalid) return 64;
    return error instanceof Retryable ? 75 : 1;
  }
}

/** Commands that run until they are stopped. Stopping any other one is a failure. */
const untilStopped: ReadonlySet<string> = new Set(['serve', 'demo']);

function cutOff(argv: readonly string[], reason: unknown): number {
  // as with `… | head`: not stopped by its user, and its JSON has no reader
  if (reason instanceof Error && 'code' in reason) {
    sayError(`The command ended early because its output cannot be written (${messageOf(reason)}).`);
    return 1;
  }
  const [error, hint] = ['The command was stopped before its end.', 'Run it again.'];
  if (argv.includes('--json')) sayJson({ success: false, error, hint });
  sayError(`${error}\n${hint}`);
  return 1;
}

type Answer = (code: number) => void;

/** The modules of a command are loaded when it is called, so that `migrate` does not load those of `demo`. */
function createProgram(signal: AbortSignal, answer: Answer): Command {
  const program = new Command('outlook-booking-sync')
    .description('Keeps room bookings in PostgreSQL and Outlook room calendars equal.')
    .version(packageJson.version)
    .exitOverride()
    .showHelpAfterError('Run outlook-booking-sync --help or COMMAND --help for the options.')
    .helpCommand('help [command]', 'explain a command')
    .addHelpText('after', exitCodes);
  addDaemon(program, signal, answer);
  addChecks(program, signal, answer);
  addMappings(program, signal, answer);
  addRooms(program, signal, answer);
  addAdapter(program, signal, answer);
  return program;
}

const json = ['--json', 'print JSON for scripts'] as const;

function addDaemon(program: Command, signal: AbortSignal, answer: Answer): void {
  program
    .command('serve')
    .description('run the daemon (the default)')
    .action(async () => answer(await (await import('./serve.ts')).serve(signal)));
  program
    .command('migrate')
    .description('install or update our tables and the adapter in the booking database')
    .option('--detach', 'remove the adapter from the booking system, for an upgrade of it')
    .option('--attach', 'restore the adapter; all rooms are compared then')
    .action(async (options) => answer(await (await import('./migrate.ts')).migrateCommand(options, signal)));
  program
    .command('adopt')
    .description("rename a predecessor's tables, install the bridge, take over its rooms and events")
    .option('--dry-run', 'print the steps without executing them')
    .option(...json)
    .action(async (options) => answer(await (await import('./adopt.ts')).adopt(options, signal)));
  program
    .command('demo')
    .description('run the bridge with an embedded PostgreSQL and a simulated tenant, until Ctrl-C')
    .option('--port <number>', 'port of the HTTP API', '8082')
    .option('--seconds <number>', 'end after this number of seconds instead of at Ctrl-C')
    .option('--latency <ms>', 'average duration of a call to Graph', '60')
    .option('--seed <number>', 'seed of the random changes', '1')
    .option('--scenario <name>', 'inject one fault instead, explain its result, and end; list: the names')
    .option('--changes <number>', 'stop the actors after this number of changes; the dashboard stays')
    .option('--sql <statement>', 'run a statement in the database of the demo in another terminal')
    .action(async (options) => answer(await (await import('./demo.ts')).demo(options, signal)));
}

function addChecks(program: Command, signal: AbortSignal, answer: Answer): void {
  program
    .command('doctor')
    .description('check everything that the bridge depends on, and print the repairs')
    .option('--write', 'also test writing: create an event in the past in each mailbox and delete it')
    .option(...json)
    .action(async (options) => answer(await (await import('./doctor.ts')).doctor(options, signal)));
  program
    .command('plan')
    .description('list the changes that a sync would make, without writing; exits with 2 if there are any')
    .option('--room <resource>', 'only the room of this resource')
    .option('--limit <number>', 'items listed per room; all are counted', '50')
    .option('--confirm', 'start daemons with START_MODE=plan, or of a copied or restored database')
    .option('--as <kind>', 'with --confirm: same (the installation was moved or restored) or copy')
    .option(...json)
    .action(async (options) => answer(await (await import('./plan.ts')).planCommand(options, signal)));
  program
    .command('report')
    .description('print the current statistics')
    .option(...json)
    .action(async (options) => answer(await (await import('./report.ts')).report(options)));
  program
    .command('search')
    .description('find reservations and events by title, person, room, date or id')
    .argument('<words...>', 'for example Korprøve on Thursday, event/78268, or the id of an event in Outlook')
    .option('--limit <number>', 'number of results, best first', '20')
    .option(...json)
    .action(async (words, options) => answer(await (await import('./search.ts')).search(words, options)));
  program
    .command('conflicts')
    .description('list open conflicts with both versions; --keep chooses one side for all of them')
    .option('--room <resource>', 'only the room of this resource')
    .option(
      '--find <text>',
      'only those with this text in a title, or in the name of the organiser or the room',
    )
    .option('--limit <number>', 'number of conflicts, earliest first', '100')
    .option('--keep <side>', 'booking or outlook: the side to keep')
    .option(...json)
    .action(async (options) => answer(await (await import('./conflicts.ts')).conflictsCommand(options)));
  program
    .command('brake')
    .description(
      'list the removals that the brake holds; --release or --refuse decides about those of one room',
    )
    .option('--room <resource>', 'only the room of this resource')
    .option('--release', 'carry the listed removals out; each is verified first')
    .option('--refuse', 'keep the events, or restore those that are gone')
    .option(...json)
    .action(async (options) => answer(await (await import('./brake.ts')).brakeCommand(options, signal)));
  program
    .command('undo')
    .description('revert the changes since a given time; without --apply print the plan and write nothing')
    .requiredOption('--since <moment>', 'for example 2031-05-04T12:00:00+02:00')
    .option('--room <resource>', 'only the room of this resource')
    .option('--what <kinds>', 'a list of cancelled, deleted, imported, undone', 'cancelled,deleted,imported')
    .option('--apply', 'execute the plan')
    .option(...json)
    .action(async (options) => answer(await (await import('./undo.ts')).undoCommand(options)));
  program
    .command('explain')
    .description('show the state and the history of one reservation, with times and reasons')
    .argument('<type/id>', 'for example event/78268')
    .option('--limit <number>', 'lines per room, the newest', '100')
    .option(...json)
    .action(async (name, options) => answer(await (await import('./explain.ts')).explain(name, options)));
}

function addMappings(program: Command, signal: AbortSignal, answer: Answer): void {
  const mappings = program
    .command('mappings')
    .description('the pairs of a resource and a room mailbox: list, add, set, remove, import, match');
  mappings
    .command('list')
    .description('list the rooms and their state')
    .option(...json)
    .action(async (options) => answer(await (await import('./mappings.ts')).listMappings(options)));
  mappings
    .command('add')
    .description('map one resource to one mailbox; its room is synchronized at once')
    .argument('<resource>', "the resource's id in the booking system")
    .argument('<mailbox>', "the room's address, or the object id of its mailbox")
    .option('--name <name>', 'name of the room')
    .option('--direction <direction>', 'both, booking_to_outlook or outlook_to_booking', 'both')
    .option('--paused', 'add it without starting to synchronize')
    .option(...json)
    .action(async (resource, mailbox, options) =>
      answer(await (await import('./mappings.ts')).addMapping(resource, mailbox, options)),
    );
  mappings
    .command('set')
    .description('set the settings of one room; they take effect at once')
    .argument('<resource>', "the resource's id in the booking system")
    .argument(
      '<settings...>',
      "conflict_policy, overlap_policy, import_mode, privacy, title_template, each as NAME=VALUE; NAME= restores the environment's",
    )
    .option(...json)
    .action(async (resource, settings, options) =>
      answer(await (await import('./mappings-set.ts')).setMapping(resource, settings, options)),
    );
  mappings
    .command('remove')
    .description('remove a pair; events and reservations stay')
    .argument('<resource>', "the resource's id in the booking system")
    .option('--mailbox <mailbox>', 'only the pair with this mailbox')
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./mappings.ts')).removeMapping(resource, options)),
    );
  mappings
    .command('import')
    .description('map the rooms of a CSV file, all or none')
    .argument('<file>', 'columns resource_id,outlook_item_id[,outlook_item_name,active,sync_direction]')
    .option('--dry-run', 'print the steps without executing them')
    .option(...json)
    .action(async (file, options) =>
      answer(await (await import('./mappings-import.ts')).importMappings(file, options)),
    );
  mappings
    .command('match')
    .description('propose pairs of resources and rooms by name')
    .option('--apply', 'map the certain pairs')
    .option('--rooms <file>', 'read the Outlook rooms from a CSV file, for an app that may not list them')
    .option('--csv', 'print a file for `mappings import`')
    .option('--sql', 'print INSERT statements')
    .option(...json)
    .action(async (options) =>
      answer(await (await import('./mappings-match.ts')).matchMappings(options, signal)),
    );
}

function addRooms(program: Command, signal: AbortSignal, answer: Answer): void {
  const wait = ['--wait', 'wait until the room is synchronized, with a progress bar'] as const;
  program
    .command('pause')
    .description('stop one room; its events and reservations stay, changes are recorded')
    .argument('<resource>', "the resource's id in the booking system")
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).pauseRoom(resource, options)),
    );
  program
    .command('resume')
    .description('start a paused room; both sides are compared first')
    .argument('<resource>', "the resource's id in the booking system")
    .option(...wait)
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).resumeRoom(resource, options, signal)),
    );
  program
    .command('claim')
    .description("take over a room whose mailbox carries another installation's or resource's claim")
    .argument('<resource>', "the resource's id in the booking system")
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).claimRoom(resource, options)),
    );
  program
    .command('resync')
    .description('compare both sides of one room, or of all, again')
    .argument('[resource]', "the resource's id in the booking system")
    .option('--all', 'every active room')
    .option(...wait)
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).resyncRooms(resource, options, signal)),
    );
}

function addAdapter(program: Command, signal: AbortSignal, answer: Answer): void {
  const adapter = program
    .command('adapter')
    .description('tools for the development of an adapter (sql/README.md)');
  adapter
    .command('new')
    .description('generate an adapter from the schema of the booking system; changes nothing there')
    .argument('<folder>', 'the folder to create; it must not exist yet')
    .option('--table <table>', 'the bookings table, if it is not guessed correctly')
    .action(async (folder, options) =>
      answer(await (await import('./adapter-new.ts')).newCommand(folder, options)),
    );
  adapter
    .command('check')
    .description(
      'install and test an adapter in a transaction that is rolled back; best on a copy of the database',
    )
    .argument('[folder]', 'its name or path; BOOKING_ADAPTER by default')
    .option(...json)
    .action(async (folder, options) =>
      answer(await (await import('./adapter-check.ts')).checkCommand(folder, options, signal)),
    );
}

const hintOf = (error: unknown): string | null =>
  error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : null;

/** The message of an error with its hint; for a bug the stack. */
function explain(error: unknown): string {
  if (error instanceof Invalid || (error instanceof Error && 'hint' in error))
    return [messageOf(error), hintOf(error)].filter(Boolean).join('\n');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const asJson = (error: unknown) => ({ success: false, error: messageOf(error), hint: hintOf(error) });
