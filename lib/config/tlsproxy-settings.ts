/**
 * The parameters of tlsproxy, put as those of the engines whose place they take: `tlsproxy_tls_loglevel` is
 * `smtpd_tls_loglevel` for that service, and so on. One that is not set is the engine's.
 */
import { Effective } from './effective.js';
import { findParameter, parameters } from './parameters.js';
import { mergeSettings, type Setting, type Settings } from './settings.js';
import { readValue } from './values.js';

/** Settings as the service has them, for `optionsFromParameters`. @throws TlsError `INVALID_PARAMETER`, `MAIN_CF` */
export function tlsproxySettings(settings: Settings): Settings {
  const effective = new Effective(settings);
  const own = new Map<string, Setting>();
  for (const [name, engine] of twins()) {
    const text = effective.expanded(name);
    if (text !== effective.expanded(engine)) {
      const origin = settings.get(name)?.origin ?? null;
      own.set(engine, { text: text.replaceAll('$', '$$$$'), origin });
    }
  }
  return mergeSettings(settings, own);
}

/** `tlsproxy_watchdog_timeout` in milliseconds. @throws TlsError `INVALID_PARAMETER`, `MAIN_CF` */
export function tlsproxyWatchdog(settings: Settings): number {
  const row = findParameter('tlsproxy_watchdog_timeout');
  const effective = new Effective(settings);
  return effective.located(row.name, () => Number(readValue(row, effective.expanded(row.name))));
}

/** Name of tlsproxy's, name of the engine's: as the defaults refer to each other. */
function twins(): readonly (readonly [string, string])[] {
  return parameters
    .filter(({ group, ignored }) => group === 'tlsproxy' && ignored === undefined)
    .flatMap(({ name, default: text }) => {
      const engine = /\$(\w+)\}*$/.exec(text)?.[1];
      return engine === undefined ? [] : [[name, engine] as const];
    });
}
