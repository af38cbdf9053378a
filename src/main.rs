//! The program: hands over to [`isocortex::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    isocortex::cli::main()
}
