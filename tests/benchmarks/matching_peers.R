# MatchIt on the data of matching.py: arguments are the folder, rows, columns and caliper.
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
n <- as.integer(arguments[2])
k <- as.integer(arguments[3])
suppressMessages(library(MatchIt))

memory <- function(field) {
  lines <- readLines("/proc/self/status")
  as.numeric(gsub("\\D", "", lines[startsWith(lines, field)])) / 1024
}
invisible(gc())
before <- memory("VmRSS")
writeLines("5", "/proc/self/clear_refs")
values <- readBin(file.path(folder, "covariates.bin"), "double", n * k)
data <- as.data.frame(matrix(values, n, k, dimnames = list(NULL, paste0("x", seq_len(k)))))
data$treated <- readBin(file.path(folder, "treated.bin"), "double", n)
rm(values)
taken <- system.time({
  matched <- matchit(reformulate(paste0("x", seq_len(k)), "treated"), data,
                     method = "nearest", distance = "glm", link = "linear.logit",
                     caliper = as.numeric(arguments[4]))
  told <- summary(matched)
})
cat(sprintf('{"version": "%s", "seconds": %f, "mb": %f}\n', packageVersion("MatchIt"),
            taken[["user.self"]] + taken[["sys.self"]], memory("VmHWM") - before))
