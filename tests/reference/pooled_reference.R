# Reference for jdl.pooled: random-effects synthesis by restricted maximum likelihood.
# Run with: Rscript tests/reference/pooled_reference.R > tests/reference/pooled_reference.json
suppressPackageStartupMessages(library(metafor))
sets <- list(
  bcg = with(escalc(measure = "RD", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg),
             list(y = as.numeric(yi), s = sqrt(as.numeric(vi)))),
  programmes = list(y = c(-0.0769, -0.1243, -0.0629, 0.0106, -0.0333, -0.0714, -0.0093, 0.0275),
                    s = c(0.0232, 0.0350, 0.0215, 0.0886, 0.0317, 0.0149, 0.0500, 0.0104)),
  alike = list(y = c(-0.050, -0.051, -0.049, -0.052, -0.048),
               s = c(0.02, 0.03, 0.025, 0.04, 0.05))
)
control <- list(threshold = 1e-14, maxiter = 10000)
one <- function(set) {
  fit <- rma(set$y, sei = set$s, method = "REML", test = "knha", control = control)
  classical <- rma(set$y, sei = set$s, method = "REML", test = "z", control = control)
  k <- fit$k
  error <- max(fit$se, classical$se)
  reach <- qt(0.975, k - 2) * sqrt(fit$tau2 + error^2)
  list(differences = set$y, errors = set$s, tau2 = fit$tau2, estimate = fit$beta[1],
       hksj_error = fit$se, classical_error = classical$se,
       ci_low = fit$beta[1] - qt(0.975, k - 1) * error,
       ci_high = fit$beta[1] + qt(0.975, k - 1) * error,
       knha_low = fit$ci.lb, knha_high = fit$ci.ub,
       prediction_low = fit$beta[1] - reach, prediction_high = fit$beta[1] + reach,
       i_squared = fit$I2 / 100)
}
number <- function(x) paste0(ifelse(length(x) > 1, "[", ""),
                             paste(sprintf("%.17g", x), collapse = ", "),
                             ifelse(length(x) > 1, "]", ""))
entry <- function(set) paste0("  {", paste0('"', names(set), '": ', sapply(set, number),
                                            collapse = ",\n   "), "}")
cat("{", paste0('"', names(sets), '":\n', sapply(lapply(sets, one), entry), collapse = ",\n"),
    "}", sep = "\n")
