/** Reads typed fields from a Hugging Face config.json; an option that would change the numbers and is not known is an error. */
import { InputError } from '../../../schemas/errors.ts';

export class ModelConfig {
  private readonly fields: Record<string, unknown>;
  private readonly where: string;

  constructor(fields: Record<string, unknown>, where: string) {
    this.fields = fields;
    this.where = where;
  }

  private fail(name: string, expected: string): never {
    const found = JSON.stringify(this.fields[name]);
    throw new InputError(`${this.where}: expected ${name} to be ${expected}, found ${found}`);
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  integer(name: string, fallback?: number): number {
    const value = this.has(name) ? this.fields[name] : fallback;
    return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : this.fail(name, 'a whole number');
  }

  number(name: string, fallback?: number): number {
    const value = this.has(name) ? this.fields[name] : fallback;
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(name, 'a number');
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.has(name) ? this.fields[name] : fallback;
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false');
  }

  /** A name out of a list of those supported. */
  oneOf<T extends string>(name: string, supported: readonly T[], fallback: T): T {
    const value = this.has(name) ? this.fields[name] : fallback;
    return supported.includes(value as T) ? (value as T) : this.fail(name, `one of ${supported.join(', ')}`);
  }

  /** A nested object, empty where it is absent. */
  object(name: string): ModelConfig {
    const value = this.has(name) ? this.fields[name] : {};
    if (typeof value !== 'object' || Array.isArray(value)) this.fail(name, 'an object');
    return new ModelConfig(value as Record<string, unknown>, `${this.where}: ${name}`);
  }

  /** The same fields with those of `other` laid over them. */
  with(other: Record<string, unknown>): ModelConfig {
    return new ModelConfig({ ...this.fields, ...other }, this.where);
  }

  get(name: string): unknown {
    return this.fields[name];
  }
}
