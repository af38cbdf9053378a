//! A step allocates nothing: memory is asked for when a run is set up, never while it runs.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Experiment, all_lanes, delay_sets, quantity};
use isocortex::circuit::CIRCUITS;
use isocortex::stepper::linear::start_state;
use isocortex::stepper::{Samples, Simulation};

thread_local! {
    /// Requests of this thread; the harness's own threads do not count.
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    REQUESTS.with(|n| n.set(n.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn requests() -> u64 {
    REQUESTS.with(Cell::get)
}

#[test]
fn the_counter_counts() {
    let before = requests();
    drop(std::hint::black_box(vec![1.0_f64; 100]));
    assert_eq!(requests() - before, 2);
}

#[test]
fn a_step_allocates_nothing() {
    for &circuit in CIRCUITS {
        let info = circuit.info();
        let input = &info.inputs[0];
        let pulse = format!(
            "stimuli.pulse={{into: {}, areas: all, amplitude: {}, onset: 5 ms, offset: 9 ms}}",
            input.name,
            quantity(10.0, input.unit)
        );
        let source = |kind: &str, time: &str| {
            let (name, sd) = (input.name, quantity(1.0, input.unit));
            format!("noise.{kind}={{kind: {kind}, into: {name}, sd: {sd}, {time}: 3 ms}}")
        };
        let text = format!("title: allocation\nfrom: {}\n", info.name);
        let model = Experiment::new(&text, &[] as &[&str]);
        // The state at rest knows nothing of steppers, delays and lanes, and takes longer than all steps.
        let start = start_state(&model.plan()).unwrap();
        for (stepper, order) in [
            ("euler", "synchronous"),
            ("euler", "published"),
            ("exponential_euler", "synchronous"),
            ("heun", "synchronous"),
            ("rk4", "synchronous"),
        ] {
            let mut sets = vec![
                format!("simulation.stepper={stepper}"),
                format!("simulation.order={order}"),
                "simulation.duration=20 ms".to_owned(),
                "simulation.replicates=9".to_owned(),
                pulse.clone(),
            ];
            sets.push(source("white", "bin"));
            sets.push(source("ornstein_uhlenbeck", "tau"));
            // Delays that look ahead in blocks, and shorter ones that cannot.
            for (k, latency) in ["none", "0 ms", "2 ms"].into_iter().enumerate() {
                let mut sets = sets.clone();
                if latency != "none" {
                    let delay =
                        format!("{{kind: distance, velocity: 3.5 m/s, latency: {latency}}}");
                    sets.extend(delay_sets(&model, &delay, 2 * (k - 1)));
                }
                let experiment = Experiment::new(&text, &sets);
                for (axis, width) in all_lanes() {
                    let plan = experiment.plan_with(axis, width);
                    let (first, replicates) = plan.blocks()[0];
                    let mut simulation = Simulation::new(&plan, first, replicates, &start);
                    let mut samples = Samples::new(&plan, replicates as usize, 3);
                    simulation.advance(&mut samples);
                    assert_eq!(samples.written, 3);
                    let before = requests();
                    let mut written = 0;
                    loop {
                        samples.clear();
                        simulation.advance(&mut samples);
                        if samples.written == 0 {
                            break;
                        }
                        written += samples.written;
                    }
                    let found = requests() - before;
                    assert_eq!(written as u64, plan.record.samples - 3);
                    let what = format!("{} {stepper} {order}, {width} {axis:?}", info.name);
                    assert_eq!(found, 0, "{what}: requests of memory");
                }
            }
        }
    }
}
