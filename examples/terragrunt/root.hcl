# Terragrunt: every unit's code is linted before a plan, and its plan judged before
# it is applied.
terraform {
  extra_arguments "plan" {
    commands  = ["plan"]
    arguments = ["-out=plan.out"]
  }
  before_hook "lint" {
    commands = ["plan", "apply"]
    execute  = ["holdfast", "lint", "."]
  }
  after_hook "gate" {
    commands = ["plan"]
    execute  = ["sh", "-c", "tofu show -json plan.out | holdfast gate -"]
  }
}

errors {
  retry "transient" {
    retryable_errors   = ["(?s).*ThrottlingException.*", "(?s).*connection reset by peer.*"]
    max_attempts       = 3
    sleep_interval_sec = 5
  }
}
