/** The run's model, as the page carries it. */
import { byId } from './elements.js';

/** @type {import('../../reportModel.ts').ReportModel} */
export const model = JSON.parse(byId('model').textContent ?? '');
