/** One row of the parameter table. */

/** How the text of a parameter is read, and what an option's value must be. */
export type ParameterType =
  | 'string'
  | 'bool' // yes, no
  | 'time' // 300s, 5m, 1h, 2d, 1w; as an option: milliseconds
  | 'int'
  | 'list' // at commas and blanks
  | 'grade' // of ciphers
  | 'exclusions' // list of cipher names
  | 'protocols' // `>=TLSv1.2`
  | 'loglevel'
  | 'server-level'
  | 'client-level';

/** `both`: an option of both engines; `tls`: the field `tls` of both engines. */
export type ParameterGroup = 'both' | 'smtpd' | 'smtp' | 'tls';

export interface Parameter {
  /** Postfix's name. */
  readonly name: string;
  readonly type: ParameterType;
  /** As text; `$name` stands for another parameter's value. */
  readonly default: string;
  readonly group: ParameterGroup;
  /** Where it is among the options: `tls.chainFiles`. */
  readonly option: string;
  /** One line for people. */
  readonly doc: string;
  /** Postfix's default where ours is another one. */
  readonly postfixDefault?: string;
  /** Read and checked, but nothing acts upon it yet; setting it is a warning. */
  readonly pending?: true;
  readonly min?: number;
  readonly max?: number;
  /** An empty value is refused. */
  readonly nonEmpty?: true;
}

/** What a parameter's value is as an option. */
export type ParameterValue = string | number | boolean | readonly string[];
