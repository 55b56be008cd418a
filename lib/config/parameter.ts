/** One row of the parameter table. */

/** How the text of a parameter is read, and what an option's value must be. */
export type ParameterType =
  | 'string'
  | 'bool' // yes, no
  | 'enum' // one of `values`
  | 'time' // 300s, 5m, 1h, 2d, 1w; as an option: milliseconds
  | 'int'
  | 'release' // 3.11: what `<level` compares
  | 'list' // at commas and blanks
  | 'tables' // at commas and blanks outside braces
  | 'colon-list' // at commas, blanks and colons
  | 'grade' // of ciphers
  | 'exclusions' // list of cipher names
  | 'protocols' // `>=TLSv1.2`
  | 'loglevel'
  | 'server-level'
  | 'client-level';

/**
 * Whose parameter it is. `both`: an option of both engines; `tls`: the field `tls` of both engines; `general`: only
 * other parameters refer to it.
 */
export type ParameterGroup = 'both' | 'smtpd' | 'smtp' | 'tls' | 'tlsproxy' | 'tlsmgr' | 'general';

export interface Parameter {
  /** Postfix's name. */
  readonly name: string;
  readonly type: ParameterType;
  /** As text; `$name` stands for another parameter's value, with all that {@link expand} knows. */
  readonly default: string;
  readonly group: ParameterGroup;
  /** Where it is among the options: `tls.chainFiles`. Null: the configuration layer deals with it, or nobody. */
  readonly option: string | null;
  /** One line for people. */
  readonly doc: string;
  /** The release of Postfix that brought it; absent: older than 2.2, or not known. */
  readonly since?: string;
  /** Postfix's default where ours is another one. */
  readonly postfixDefault?: string;
  /** Why ours is another one, or what the table cannot say otherwise. */
  readonly note?: string;
  /** Out of use; what to use instead. */
  readonly legacy?: string;
  /** With `legacy`: setting it is a warning, in Postfix too. */
  readonly deprecated?: true;
  /** Setting it never has an effect, and is a warning; the reason. */
  readonly ignored?: string;
  /** Known, but nothing acts upon it yet: setting it is a warning, giving it as an option is an error. */
  readonly pending?: true;
  readonly min?: number;
  readonly max?: number;
  /** Of an `enum`. */
  readonly values?: readonly string[];
  /** Other words for some of `values`. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** An empty value is refused. */
  readonly nonEmpty?: true;
}

/** What a parameter's value is as an option. */
export type ParameterValue = string | number | boolean | readonly string[];
