/** `uplot.js` is the package's own file under our path (dashboard.ts). */
import uPlot from 'uplot';
export default uPlot;
