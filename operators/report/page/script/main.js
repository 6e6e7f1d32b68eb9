/** Puts the page together, section by section. */
import { showRun } from './aboutRun.js';
import { showAnswers } from './answers.js';
import { showCorrelations } from './correlations.js';
import { element, mountOf } from './elements.js';
import { showExplorer } from './explorer.js';
import { showFindings, showMasthead } from './findings.js';
import { model } from './model.js';
import { showOverRepresentation } from './overRepresentation.js';
import { showPerNat } from './perNat.js';
import { showPowerLaw } from './powerLaw.js';
import { showDuplicates, showShared } from './shared.js';
import { followTheme } from './theme.js';

/** What a section cannot say stands before what it can. */
function showLeftOut() {
  for (const { section, sentence } of model.leftOut)
    mountOf(section).before(element('p', { class: 'left-out' }, sentence));
}

showMasthead();
showLeftOut();
showFindings();
showCorrelations();
showPerNat();
showPowerLaw();
showOverRepresentation('sources', 'source');
showOverRepresentation('kinds', 'kind');
showAnswers();
showExplorer();
showShared();
showDuplicates();
showRun();
followTheme();
